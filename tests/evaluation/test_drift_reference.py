"""The reference of a bundle survives its file, holds no text, and is refused where it is broken."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from data.errors import BundleError
from evaluation.drift_reference import FILE, read_reference, write_reference
from evaluation.drift_words import KnownWords, WordCounts
from tests.windows import draw_window

KNOWN = KnownWords.of(WordCounts(9, {"printer": 9}))


def write(tmp_path: Path, **changes: object) -> Path:
    window = draw_window(np.random.default_rng(0), 60, name="reference")
    window = replace(window, unknown_words=np.linspace(0, 1, 60), **changes)  # type: ignore[arg-type]
    path = tmp_path / FILE
    write_reference(window, KNOWN, path)
    return path


def change(path: Path, metadata: dict[str, str] | None = None, **arrays: np.ndarray) -> None:
    with safe_open(path, framework="numpy") as file:
        told = file.metadata()
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file({**kept, **arrays}, path, {**told, **(metadata or {})})


def test_a_reference_survives_its_file(tmp_path: Path) -> None:
    original = draw_window(np.random.default_rng(0), 60, name="reference")
    window, known = read_reference(write(tmp_path))
    assert len(window) == 60
    assert window.facts == original.facts
    assert window.languages == original.languages
    assert window.encoder == "invented"
    np.testing.assert_array_equal(window.lengths, original.lengths)
    np.testing.assert_array_equal(window.entities, original.entities)
    then, now = original.targets["kind"], window.targets["kind"]
    assert now.classes == then.classes
    assert then.truth is not None and then.probabilities is not None and then.automatic is not None
    np.testing.assert_array_equal(now.truth, then.truth)
    np.testing.assert_array_equal(now.predicted, then.predicted)
    np.testing.assert_array_equal(now.automatic, then.automatic)
    np.testing.assert_allclose(now.probabilities, then.probabilities, atol=1e-6)
    assert original.embeddings is not None
    np.testing.assert_allclose(window.embeddings, original.embeddings, atol=0.01)
    assert window.unknown_words is not None
    np.testing.assert_allclose(window.unknown_words, np.linspace(0, 1, 60), atol=1e-6)
    assert known.unknown_share(["printer", "hologram"]) == 0.5


def test_what_was_not_known_is_not_known_after(tmp_path: Path) -> None:
    bare = replace(
        draw_window(np.random.default_rng(0), 60, vectors=False, probabilities=False),
        unknown_words=None,
    )
    answers = replace(bare.targets["kind"], automatic=None, truth=None)
    write_reference(replace(bare, targets={"kind": answers}), KNOWN, tmp_path / FILE)
    window, _ = read_reference(tmp_path / FILE)
    assert window.embeddings is None and window.unknown_words is None
    found = window.targets["kind"]
    assert found.probabilities is None and found.automatic is None
    assert len(found.labelled) == 0


def test_no_ticket_and_no_word_of_one_customer_is_in_the_file(tmp_path: Path) -> None:
    words = WordCounts(60, {"printer": 9, "secretive": 9}, {"printer": 3, "secretive": 1})
    path = write(tmp_path, words=words)
    content = path.read_bytes()
    assert b"printer" in content
    assert b"secretive" not in content
    assert b"reference-0" not in content  # the ids
    window, _ = read_reference(path)
    assert set(window.words.counts) == {"printer"}
    assert window.words.floor == 5


def test_the_same_window_makes_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path).read_bytes()
    assert write(tmp_path).read_bytes() == first


def test_a_bundle_without_a_reference_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="seal the bundle anew"):
        read_reference(tmp_path / FILE)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    change(path, {"window": '{"format": 9}'})
    with pytest.raises(BundleError, match="format 9, 1 is expected"):
        read_reference(path)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("lengths", np.zeros(7, np.int32)),
        ("languages", np.full(60, 9, np.int16)),
        ("embedded", np.full(60, 99, np.int32)),
        ("embeddings", np.zeros((3, 8), np.float16)),
        ("kind/truth", np.zeros(3, np.int16)),
        ("known", np.zeros(3, np.uint8)),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    tmp_path: Path, name: str, array: np.ndarray
) -> None:
    path = write(tmp_path)
    change(path, **{name: array})
    with pytest.raises(BundleError, match=r"known words are not|do not fit together"):
        read_reference(path)


def test_a_reference_that_tells_no_window_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    change(path, {"window": '{"format": 1}'})
    with pytest.raises(BundleError, match="do not fit together"):
        read_reference(path)
