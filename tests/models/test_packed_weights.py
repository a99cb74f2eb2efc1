"""Packed weights are read as what was packed, or not at all."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import WeightsError
from models.packed_weights import read_packed, unpack
from tests.models.packed_files import PIECES, pack, write_packed


def test_unpacking_gives_the_weights_back_up_to_half_a_step() -> None:
    weights = np.random.default_rng(1).normal(size=320).astype(np.float32)
    step = np.abs(weights.reshape(-1, 32)).max(axis=1, keepdims=True) / 7
    assert (np.abs(unpack(pack(weights)) - weights).reshape(-1, 32) <= 0.51 * step).all()


def test_weights_that_are_whole_steps_come_back_exactly() -> None:
    weights = np.tile(np.arange(-8, 8, dtype=np.float32), 2)[:32]
    weights[weights == -8] = 7
    np.testing.assert_array_equal(unpack(pack(weights)), weights)


def test_everything_in_a_file_is_read(tmp_path: Path) -> None:
    write_packed(tmp_path / "tiny.bin")
    packed = read_packed(tmp_path / "tiny.bin")
    assert (packed.sizes.hidden, packed.sizes.layers, packed.sizes.positions) == (32, 2, 16)
    assert packed.sizes.epsilon == pytest.approx(1e-12)
    assert packed.vocabulary.pieces == PIECES
    assert packed.vocabulary.scores[4] == -1
    assert (packed.vocabulary.padding, packed.vocabulary.unknown) == (1, 3)
    assert packed.replaced == {"\t": " ", "\x01": "", "ﬁ": "fi"}
    assert packed.tensors["emb.word"].size == len(PIECES) * 32


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.bin"
    write_packed(path)
    whole = path.read_bytes()
    for length in (6, 20, 50, 120, 400, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"tiny\.bin is damaged"):
            read_packed(path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.bin"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(WeightsError, match="does not begin with E5S1"):
        read_packed(path)
    write_packed(path, version=2)
    with pytest.raises(WeightsError, match="version 2"):
        read_packed(path)
    write_packed(path, block=64)
    with pytest.raises(WeightsError, match="64 weights a block"):
        read_packed(path)
