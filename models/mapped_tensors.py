"""Tensors read from where their file is mapped: processes share its pages."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_TYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64}


class Place(NamedTuple):
    """Where a tensor lies in its file: bytes from `start` up to, not with, `stop`."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def tensor_places(path: Path) -> dict[str, Place]:
    """Where each tensor of a safetensors file lies.

    Raises
    ------
    ValueError
        If the file does not begin as such a file does.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        first, whole = 8 + size, path.stat().st_size
        try:
            if first > whole:
                raise ValueError("shorter than its header")
            told = json.loads(file.read(size))
            told.pop("__metadata__", None)
            places = {
                name: Place(
                    one["dtype"], tuple(one["shape"]), *(first + at for at in one["data_offsets"])
                )
                for name, one in told.items()
            }
            if any(not first <= place.start <= place.stop <= whole for place in places.values()):
                raise ValueError("shorter than its tensors")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is no safetensors file: {error}") from error
    return places


def map_tensor(path: Path, name: str) -> NDArray[Any]:
    """A tensor whose pages are read when they are asked for; it cannot be written to.

    The file may be removed meanwhile, and must not be changed.

    Raises
    ------
    KeyError
        If the file holds none of this name, or one of a type not known here.
    ValueError, OSError
        See `tensor_places`; also if it holds less of the tensor than its shape says.
    """
    place = tensor_places(path)[name]
    found = np.memmap(path, np.uint8, mode="r", offset=place.start, shape=place.stop - place.start)
    return np.asarray(found).view(_TYPES[place.dtype]).reshape(place.shape)
