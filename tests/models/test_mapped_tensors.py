"""Tensors mapped from a safetensors file."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.mapped_tensors import map_tensor, tensor_places


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "two.safetensors"
    numbers = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float16)
    save_file({"one": numbers, "other": np.arange(3, dtype=np.float32)}, path, {"told": "beside"})
    return path


def test_a_tensor_is_what_was_saved_and_cannot_be_changed(path: Path) -> None:
    numbers = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float16)
    found = map_tensor(path, "one")
    assert type(found) is np.ndarray and found.dtype == np.float16
    np.testing.assert_array_equal(found, numbers)
    np.testing.assert_array_equal(map_tensor(path, "other"), [0, 1, 2])
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


def test_it_is_there_while_its_file_is_gone(path: Path) -> None:
    found = map_tensor(path, "other")
    path.unlink()
    np.testing.assert_array_equal(found, [0, 1, 2])


def test_places_are_those_of_the_bytes(path: Path) -> None:
    place = tensor_places(path)["other"]
    held = path.read_bytes()[place.start : place.stop]
    np.testing.assert_array_equal(np.frombuffer(held, np.float32), [0, 1, 2])


def header(told: object, behind: int = 0) -> bytes:
    text = json.dumps(told).encode()
    return len(text).to_bytes(8, "little") + text + bytes(behind)


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 20,
        header([1]),
        header({"one": 3}),
        header({"one": {"dtype": "F32"}}),
        header({"one": TENSOR}, behind=7),
        header({"one": TENSOR | {"data_offsets": [-8, 0]}}, behind=8),
        (5).to_bytes(8, "little") + b"{\xff\xff\xff}",
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.safetensors is no safetensors file"):
        map_tensor(path, "one")


def test_a_shape_that_its_bytes_do_not_fill_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.safetensors"
    path.write_bytes(header({"one": TENSOR | {"shape": [3]}}, behind=8))
    with pytest.raises(ValueError, match="reshape"):
        map_tensor(path, "one")


@pytest.mark.parametrize("name", ["none", "one"])
def test_what_is_not_there_or_of_no_known_type_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"one": np.arange(3)}, path)
    with pytest.raises(KeyError):
        map_tensor(path, name)
