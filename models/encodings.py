"""Vectors of texts that were encoded before, kept by content: a retrain encodes what is new.

A vector kept differs a little from one computed anew: which texts share a batch sets how much they
are padded, and bfloat16 rounds what follows from it.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from data.durable import sync_folder

Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]

_DIGEST = 16
"""Bytes of a text's digest; two of a billion texts share one with a probability of 1e-21."""


def encode_new(texts: Sequence[str], encode: Encode, path: Path) -> tuple[Vectors, int]:
    """Vectors of shape (n, dimension), and how many texts had to be encoded.

    The file keeps the vectors of these texts and no others, so that what is erased from the data
    does not stay in it. A file that cannot be read is made anew.

    Parameters
    ----------
    path : .npz of one encoder and length; anything that changes vectors belongs into its name
    """
    keys = [_key(text) for text in texts]
    kept = _read(path)
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in kept}
    if missing:
        found = encode(list(missing.values()))
        kept |= dict(zip(missing, found, strict=True))
    vectors = np.stack([kept[key] for key in keys]) if keys else encode([])
    if missing or len(kept) != len(set(keys)):
        wanted = dict.fromkeys(keys)
        _write(path, list(wanted), np.stack([kept[key] for key in wanted]))
    return vectors, len(missing)


def name_of(encoder: Path, max_tokens: int) -> str:
    """A file name that changes with the bytes of an encoder's folder and the length of texts."""
    digest = hashlib.sha256(str(max_tokens).encode())
    for path in sorted(encoder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(encoder).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{digest.hexdigest()[:16]}.npz"


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_DIGEST]


def _read(path: Path) -> dict[bytes, Vectors]:
    try:
        with np.load(path, allow_pickle=False) as content:
            keys, vectors = content["keys"], content["vectors"]
            return dict(zip(map(bytes, keys), vectors, strict=True))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return {}


def _write(path: Path, keys: Sequence[bytes], vectors: Vectors) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial.npz")
    table = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), _DIGEST)
    np.savez(partial, keys=table, vectors=vectors)
    partial.replace(path)
    sync_folder(path.parent)
