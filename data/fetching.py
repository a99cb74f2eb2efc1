"""The files of a data set, from the mirror or the origin, checked and unpacked into one folder."""

import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

from data.archives import unpack
from data.catalog import Dataset, File
from data.download import ATTEMPTS, download, find_fault, sha256_of
from data.errors import CatalogError, DataError, FetchError

logger = logging.getLogger(__name__)

Source = Literal["mirror", "origin", "local", "sample"]

SOURCE_FILE = "source.json"
SAMPLE = "sample"
"""Name of the bundled data set in the catalog."""

MIRROR_VARIABLE = "TICKETS_MIRROR"


@dataclass(frozen=True)
class Places:
    """Where files are looked for, how often, and where they are kept.

    Parameters
    ----------
    root : paths of the catalog's own files are relative to it
    folder : the fetched data set; replaced as a whole
    downloads : what came from the network is kept here and not asked for again
    mirror : a folder with the files of the catalog at their paths, or None
    attempts : how often an origin is asked for a file
    """

    root: Path
    folder: Path
    downloads: Path
    mirror: Path | None = None
    attempts: int = ATTEMPTS


def find_mirror(root: Path, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The mirror folder: the environment variable TICKETS_MIRROR, else ../shared/data.

    Raises
    ------
    FetchError
        If the variable names something that is no folder.
    """
    named = environment.get(MIRROR_VARIABLE, "")
    if named:
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise FetchError(f"{MIRROR_VARIABLE}={named} is not a folder")
        return folder
    folder = root / ".." / "shared" / "data"
    return folder if folder.is_dir() else None


def fetch_dataset(
    dataset: Dataset,
    places: Places,
    client: httpx.Client,
    fallback_for: str | None = None,
) -> dict[str, Any]:
    """Make `places.folder` hold exactly the files of a data set and a source.json about them.

    A file that is already there with the right bytes is kept. The folder changes only when all
    files are there and right.

    Parameters
    ----------
    fallback_for : the data set that was wanted, if this one stands in for it

    Returns
    -------
    the content of source.json: dataset, fallback, sources and files by name; with a fallback also
    `requested`

    Raises
    ------
    CatalogError
        If one of the user's own files does not exist.
    FetchError
        If neither mirror nor origin has the promised bytes.
    """
    staging = places.folder.with_name(places.folder.name + ".staging")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    sources: dict[str, Source] = {}
    try:
        for file in dataset.files:
            sources |= _published(file, places, staging, client)
        for path in dataset.path:
            sources[_own(dataset.name, path, places.root, staging)] = (
                "sample" if dataset.name == SAMPLE else "local"
            )
        record: dict[str, Any] = {
            "dataset": dataset.name,
            "fallback": fallback_for is not None,
            "sources": dict(sorted(sources.items())),
            "files": {name: _facts(staging / name) for name in sorted(sources)},
        }
        if fallback_for is not None:
            record["requested"] = fallback_for
        (staging / SOURCE_FILE).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        shutil.rmtree(places.folder, ignore_errors=True)
        staging.replace(places.folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return record


def read_source(folder: Path) -> dict[str, Any]:
    """What source.json says about a fetched data set; DataError if it is missing or broken."""
    path = folder / SOURCE_FILE
    try:
        record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}; run `python -m pipelines.fetch`") from error
    return record


def _published(
    file: File, places: Places, staging: Path, client: httpx.Client
) -> dict[str, Source]:
    kept = _kept(file, places.folder)
    if kept:
        for name in kept:
            _place(places.folder / name, staging / name)
        return kept
    path, source = _locate(file, places, client)
    if file.unpack:
        return dict.fromkeys(unpack(path, staging, file.unpack), source)
    _place(path, staging / file.name)
    return {file.name: source}


def _kept(file: File, folder: Path) -> dict[str, Source]:
    """Files of an earlier fetch that are right, with where they came from; empty unless all are."""
    try:
        sources = read_source(folder)["sources"]
    except (DataError, KeyError):
        return {}
    wanted = file.unpack or {file.name: file.sha256}
    for name, digest in wanted.items():
        path = folder / name
        if name not in sources or not path.is_file() or sha256_of(path) != digest:
            return {}
    return {name: sources[name] for name in wanted}


def _locate(file: File, places: Places, client: httpx.Client) -> tuple[Path, Source]:
    if places.mirror is not None:
        path = places.mirror / file.path
        fault = find_fault(path, file.bytes, file.sha256)
        if fault is None:
            return path, "mirror"
        logger.warning("mirror: %s: %s; asking the origin", file.path, fault)
    path = places.downloads / file.sha256[:16] / file.name
    if find_fault(path, file.bytes, file.sha256):
        logger.info("downloading %s (%s bytes)", file.name, f"{file.bytes:,}")
        download(file, path, client, places.attempts)
    return path, "origin"


def _own(dataset: str, path: str, root: Path, staging: Path) -> str:
    source = root / Path(path).expanduser()
    if not source.is_file():
        raise CatalogError(f"{dataset}.path: no file {source}")
    if (staging / source.name).exists():
        raise CatalogError(f"{dataset}.path: two files are called {source.name}")
    _place(source, staging / source.name)
    return source.name


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _facts(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
