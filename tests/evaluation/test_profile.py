"""The profile of a window: shares that are whole, and no texts."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from evaluation.profile import Profile, make_profile, read_profile

PROBABILITIES = {"kind": np.array([[0.9, 0.1], [0.3, 0.7], [0.55, 0.45], [1.0, 0.0]])}


def profile(**changes: object) -> Profile:
    given = {
        "texts": ["one", "secretive words", "three", "four"],
        "probabilities": PROBABILITIES,
        "targets": {"kind": ("bug", "wish")},
        "languages": ["en", "en", None, "de"],
        "automatic": {"kind": np.array([True, False, False, True])},
        "embeddings": np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]),
    }
    return make_profile(**(given | changes))  # type: ignore[arg-type]


def test_a_profile_counts_labels_confidence_and_decisions() -> None:
    kind = profile().targets["kind"]
    assert kind.labels == {"bug": 0.75, "wish": 0.25}
    assert kind.automatic == 0.5
    assert sum(kind.confidence) == pytest.approx(1)
    assert kind.confidence[-1] == 0.25  # only the confidence of 1.0 lies in [0.95, 1]


def test_languages_and_lengths_are_shares_and_quantiles() -> None:
    found = profile()
    assert found.languages == {"de": 0.25, "en": 0.5, "unknown": 0.25}
    assert found.length_quantiles["0.5"] == 4.5
    assert found.mean_embedding == (0.5, 0.5)


def test_decisions_and_embeddings_may_be_unknown() -> None:
    found = profile(automatic=None, embeddings=None)
    assert found.targets["kind"].automatic is None
    assert found.mean_embedding is None
    assert found.entities == {} and found.unknown_words is None


def test_entities_and_unknown_words_are_kept() -> None:
    found = profile(entities={"url": 0.25}, unknown_words=0.1)
    assert (found.entities, found.unknown_words) == ({"url": 0.25}, 0.1)


def test_a_profile_survives_its_file_and_holds_no_text(tmp_path: Path) -> None:
    path = tmp_path / "reference.json"
    path.write_text(profile().model_dump_json(), encoding="utf-8")
    assert read_profile(path) == profile()
    assert "secretive" not in path.read_text(encoding="utf-8")


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="without tickets"):
        profile(texts=[])


def test_shares_that_do_not_sum_to_one_are_refused() -> None:
    broken = profile().model_dump() | {"languages": {"en": 0.4}}
    with pytest.raises(ValidationError, match="sum to 1"):
        Profile.model_validate(broken)
