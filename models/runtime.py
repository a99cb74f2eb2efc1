"""What may stand in for torch when tickets are answered, and texts turned to vectors by it.

A runtime is an engine with a precision. The stage `runtime` exports the networks as ONNX graphs and
proves on real tickets which runtimes answer as torch does (`models.runtime_file`); serving opens
those graphs and imports neither torch nor transformers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from data.errors import BundleError
from models.lengths import batches_within

TORCH = "torch"
"""Name of what needs no graph: the networks as they were trained."""

BATCH_TOKENS = 1024
"""Tokens of one pass, padded. A processor gains little by more, and memory grows with it."""


@dataclass(frozen=True)
class Runtime:
    """An engine with the precision it multiplies in, and the kind of graph it reads."""

    name: str
    engine: Literal["onnxruntime", "openvino"]
    precision: Literal["f32", "bf16", "int8"]
    graph: Literal["f32", "int8"]

    @property
    def anywhere(self) -> bool:
        """Whether every processor gives the same numbers, save the last digits of a float.

        bfloat16 products are made only by processors that have them; others compute in f32.
        """
        return self.precision != "bf16"


RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime("onnxruntime-f32", "onnxruntime", "f32", "f32"),
        Runtime("openvino-f32", "openvino", "f32", "f32"),
        Runtime("openvino-bf16", "openvino", "bf16", "f32"),
        Runtime("onnxruntime-int8", "onnxruntime", "int8", "int8"),
    )
}
"""All there are, the most exact first."""


class TextEncoder(Protocol):
    """From texts to vectors, by whatever computes them."""

    @property
    def dimension(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One vector per text, shape (n, dimension)."""
        ...


class OpenEncoder(Protocol):
    """Opens the encoder whose files lie in a folder of parts."""

    def __call__(self, folder: Path, max_tokens: int, *, normalise: bool) -> TextEncoder: ...


class Session(Protocol):
    """A graph with one output, ready to run; safe to ask from several threads.

    `width` is the size of the output's last axis; lengths are best multiples of `multiple`.
    """

    width: int
    multiple: int

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]: ...


OpenSession = Callable[[Path], Session]
"""Reads a graph's file; BundleError where it cannot be read."""


class SessionEncoder:
    """A sentence encoder as a graph: token ids and mask in, mean-pooled vectors out.

    Parameters
    ----------
    tokenizer : a tokenizer.json
    max_tokens : longer texts are cut here, the special tokens included
    normalise : whether vectors get length 1

    Raises
    ------
    BundleError
        If the tokenizer cannot be read.
    """

    def __init__(
        self, session: Session, tokenizer: Path, max_tokens: int, *, normalise: bool
    ) -> None:
        self._session = session
        self._tokenizer = read_tokenizer(tokenizer)
        self._tokenizer.enable_truncation(max_tokens)
        self._normalise = normalise

    @property
    def dimension(self) -> int:
        return self._session.width

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One vector per text, shape (n, dimension); texts of like length share a pass."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        tokens = [found.ids for found in self._tokenizer.encode_batch_fast(list(texts))]
        multiple = self._session.multiple
        lengths = [-(-len(ids) // multiple) * multiple for ids in tokens]
        for rows in batches_within(lengths, BATCH_TOKENS):
            ids, mask = pad([tokens[row] for row in rows], lengths[rows[-1]])
            vectors[rows] = self._session.run({"tokens": ids, "mask": mask})
        if self._normalise:
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.maximum(norms, np.finfo(np.float32).tiny)
        return vectors


def one_by_one(
    tokenizer: Path, max_tokens: int, texts: Sequence[str]
) -> Iterator[dict[str, NDArray[np.int64]]]:
    """Inputs of an encoder's graph, a text at a time."""
    reader = read_tokenizer(tokenizer)
    reader.enable_truncation(max_tokens)
    for text in texts:
        found = reader.encode(text).ids
        tokens, mask = pad([found], len(found))
        yield {"tokens": tokens, "mask": mask}


def pad(
    tokens: Sequence[Sequence[int]], length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids filled up with 0, and 1 where there are any; both of shape (b, length)."""
    ids = np.zeros((len(tokens), length), dtype=np.int64)
    mask = np.zeros((len(tokens), length), dtype=np.int64)
    for row, found in enumerate(tokens):
        ids[row, : len(found)] = found
        mask[row, : len(found)] = 1
    return ids, mask


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a file, without the truncation and the padding it was last used with.

    Raises
    ------
    BundleError
        If the file is missing or is no tokenizer.
    """
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    # The reader of tokenizers raises bare Exceptions.
    except Exception as error:
        raise BundleError(f"{path} is no tokenizer: {type(error).__name__}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
