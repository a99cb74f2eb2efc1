"""What was encoded before is not encoded again, and what is gone is kept nowhere."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from models.encodings import encode_new, name_of


class Encoder:
    """Counts what it is asked for; a text's vector holds its length."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32).reshape(-1, 2)


def test_only_new_texts_are_encoded(tmp_path: Path) -> None:
    encoder, path = Encoder(), tmp_path / "made" / "e.npz"
    first, new = encode_new(["a", "bb", "a"], encoder, path)
    assert new == 2
    assert encoder.asked == ["a", "bb"]
    np.testing.assert_array_equal(first[:, 0], [1, 2, 1])
    again, new = encode_new(["ccc", "bb", "a"], encoder, path)
    assert new == 1
    np.testing.assert_array_equal(again[:, 0], [3, 2, 1])
    assert encode_new(["ccc", "bb", "a"], encoder, path)[1] == 0
    assert encoder.asked == ["a", "bb", "ccc"]


def test_what_is_not_asked_for_any_more_leaves_the_file(tmp_path: Path) -> None:
    encoder, path = Encoder(), tmp_path / "e.npz"
    encode_new(["a", "secret"], encoder, path)
    encode_new(["a"], encoder, path)
    assert encode_new(["secret"], encoder, path)[1] == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no zip at all"])
def test_a_broken_file_is_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "e.npz"
    path.write_bytes(content)
    assert encode_new(["a"], Encoder(), path)[1] == 1
    assert encode_new(["a"], Encoder(), path)[1] == 0


def test_no_texts_give_no_vectors(tmp_path: Path) -> None:
    assert encode_new([], Encoder(), tmp_path / "e.npz")[0].shape == (0, 2)


def test_the_name_changes_with_weights_and_length(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("one")
    first = name_of(tmp_path, 32)
    assert first == name_of(tmp_path, 32)
    assert first != name_of(tmp_path, 64)
    (tmp_path / "weights").write_text("two")
    assert first != name_of(tmp_path, 32)
