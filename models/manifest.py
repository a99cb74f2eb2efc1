"""What a bundle says about itself, read without trusting it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import Field, JsonValue, StringConstraints, ValidationError

from data.errors import BundleError
from data.language import LANGDETECT
from data.schema import NonEmpty, Record

FORMAT = 1
"""Raised when a program that knows only the format before could misread a bundle."""

MANIFEST = "manifest.json"
CARD = "README.md"
REFERENCE = "reference.json"
PROBES = "probes.jsonl"

MAX_MANIFEST = 16 * 2**20
"""Bytes; a real manifest has some tens of KiB, so more is not one of ours."""

SAFE_SUFFIXES = frozenset(
    {".json", ".jsonl", ".md", ".txt", ".csv", ".safetensors", ".skops", ".onnx", ".parquet"}
    | {".npy", ".npz"}
)
"""Types that hold data and never code.

numpy's are among them because numpy reads pickled objects only with `allow_pickle=True`, which
nothing here sets. Everything else is refused, .pkl, .joblib, .pt, .bin and .py first of all.
"""

VERSION = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,110}-[0-9a-f]{8}$"
Version = Annotated[str, StringConstraints(pattern=VERSION)]
"""Data set and the first 8 hex digits of the content; safe as the name of a folder."""


class FileEntry(Record):
    """What one file of the bundle must be."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    bytes: int = Field(ge=0)


class Manifest(Record):
    """The facts of a sealed bundle; written last, so that its presence means the rest is there."""

    format: int
    version: Version
    created_at: str | None = Field(description="time of the commit, ISO 8601; no clock is read")
    commit: str | None
    dirty: bool | None = Field(description="null where there is no commit to compare with")
    dataset: NonEmpty
    fallback: bool = Field(description="true when trained on the bundled sample")
    data_fingerprint: NonEmpty
    params: dict[str, JsonValue]
    targets: dict[str, tuple[str, ...]]
    members: tuple[NonEmpty, ...]
    weights: dict[str, dict[str, float]] = Field(description="target -> member, in the mean")
    class_weights: dict[str, dict[str, dict[str, float]]] = Field(
        default={},
        description="target -> member -> class, where members are pooled; the mean then answers "
        "only when one of them fails",
    )
    temperatures: dict[str, dict[str, float]] = Field(description="per member, then `ensemble`")
    certificate: dict[str, dict[str, JsonValue]]
    metrics: dict[str, JsonValue]
    readers: dict[str, dict[str, JsonValue]] = Field(
        default={}, description="what is read beside the targets: data, figures on its test rows"
    )
    runtimes: dict[str, dict[str, JsonValue]] = Field(
        default={},
        description="what was tried in torch's place: how near its answers are, whether it serves",
    )
    libraries: dict[str, str]
    files: dict[str, FileEntry]

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages a text may be detected as; empty where the params name none."""
        return languages_of(self.params)

    @property
    def language_detector(self) -> str:
        """Who detects them."""
        return language_detector_of(self.params)


def languages_of(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Languages a text may be detected as, from params.yaml; empty where it names none."""
    match params:
        case {"prepare": {"language": {"targets": [*names]}}}:
            return tuple(str(name) for name in names)
    return ()


def language_detector_of(params: Mapping[str, Any]) -> str:
    """Who detects languages, from params.yaml; langdetect before there was another to choose."""
    match params:
        case {"prepare": {"language": {"detector": str(name)}}}:
            return name
    return LANGDETECT


def is_version(name: str) -> bool:
    """Whether this can be the version of a bundle, and so the name of a folder."""
    return re.fullmatch(VERSION[1:-1], name) is not None


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle folder, its form checked and its files not yet looked at.

    Raises
    ------
    BundleError
        If the folder is no bundle, half-written, of a newer format or its manifest malformed.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a bundle: there is no such folder")
    path = folder / MANIFEST
    if path.is_symlink():
        raise BundleError(f"{path} is a symbolic link; a bundle holds plain files only")
    if not path.is_file():
        raise BundleError(_without_manifest(folder))
    if path.stat().st_size > MAX_MANIFEST:
        raise BundleError(f"{path} has more than {MAX_MANIFEST} bytes: it is not one of ours")
    try:
        raw = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not JSON: altered, or not one of ours") from error
    found = raw.get("format") if isinstance(raw, dict) else None
    if not isinstance(found, int):
        raise BundleError(f"{path} is not the manifest of a bundle: it names no format")
    if found > FORMAT:
        raise BundleError(
            f"{folder} has format {found}, this program reads {FORMAT}: update the program, "
            "or seal the bundle with this version of it"
        )
    if found < FORMAT:
        raise BundleError(f"{folder} has format {found}, this program reads {FORMAT}: seal it anew")
    return _validated(raw, path)


def _without_manifest(folder: Path) -> str:
    if any((folder / part).exists() for part in ("ensemble", PROBES, CARD, REFERENCE)):
        return (
            f"{folder} is half-written: {MANIFEST}, which is written last, is missing; seal it anew"
        )
    return f"{folder} is not a bundle: it holds no {MANIFEST}"


def _validated(raw: dict[str, Any], path: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:5]
        )
        raise BundleError(f"{path} is malformed: {faults}") from None
    for name in manifest.files:
        if fault := path_fault(name):
            raise BundleError(f"{path} lists {name!r}, {fault}")
    return manifest


def path_fault(name: str) -> str | None:
    """Why a name must not be a file of a bundle; None where it may."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name or "\0" in name:
        return "a path that leads out of the bundle"
    if str(pure) != name or name in {".", MANIFEST}:
        return "which is not the plain relative path of a file beside the manifest"
    if pure.suffix.lower() not in SAFE_SUFFIXES:
        kind = pure.suffix or "no suffix"
        return f"a type that may carry code ({kind}); allowed: {', '.join(sorted(SAFE_SUFFIXES))}"
    return None
