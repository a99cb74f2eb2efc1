"""The bundle store: where bundles are published, and the one small file that says who answers.

A store is a folder, or any place fsspec has a URL for. Serving reads it and needs nothing else.
"""

import logging
import os
from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem

from data.durable import copy_file, fill_folder, write_text
from data.errors import BundleError
from models.bundle import verify
from models.deployment import DEPLOYMENT, Deployment, parse_deployment
from models.manifest import MANIFEST, is_version, read_manifest

logger = logging.getLogger(__name__)

STORE = "models/published"
HISTORY = "deployments"
"""Folder of the deployments that were replaced, a file each, named by when they were published."""

DECISIONS = "decisions"
"""Folder of what the gate decided, the newest for each version."""


class BundleStore(Protocol):
    """Immutable bundles by version, and the deployment that names some of them."""

    def add(self, folder: Path) -> bool:
        """Publish a verified copy of a bundle; False where its version is there already."""

    def holds(self, version: str) -> bool:
        """Whether a bundle of this version is published."""

    def find(self, version: str, cache: Path) -> Path | None:
        """A local folder with the bundle, downloaded into `cache` if the store is remote."""

    def find_deployment(self) -> Deployment | None:
        """Who answers; None before the first champion."""

    def deploy(self, deployment: Deployment) -> None:
        """Replace deployment.json in one step; the former one is kept in the history before."""

    def history(self) -> list[Deployment]:
        """The deployments that were replaced, the oldest first; what cannot be read is left out."""

    def keep_decision(self, version: str, text: str) -> None:
        """Keep what was decided about a version, in place of what was decided before."""

    def find_decision(self, version: str) -> str | None:
        """What was decided about a version last, as it was kept."""


def open_store(location: str | Path | None = None) -> BundleStore:
    """The store at a folder or fsspec URL; TICKETS_BUNDLE_STORE or models/published by default."""
    place = str(location or os.environ.get("TICKETS_BUNDLE_STORE") or STORE)
    files, root = fsspec.core.url_to_fs(place)
    return FolderStore(Path(root)) if isinstance(files, LocalFileSystem) else UrlStore(files, root)


class FolderStore:
    """A store in a local or mounted folder, where a rename is atomic."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, folder: Path) -> bool:
        manifest = verify(folder)
        place = self.root / manifest.version
        if place.exists():
            try:
                verify(place)
                return False
            except BundleError as error:
                logger.warning("the published bundle is replaced: %s", error)
        with fill_folder(place) as partial:
            for name in (*manifest.files, MANIFEST):
                copy_file(folder / name, partial / name)
            verify(partial)
        return True

    def holds(self, version: str) -> bool:
        return (self.root / _checked(version) / MANIFEST).is_file()

    def find(self, version: str, cache: Path) -> Path | None:
        return self.root / version if self.holds(version) else None

    def find_deployment(self) -> Deployment | None:
        try:
            return parse_deployment((self.root / DEPLOYMENT).read_bytes())
        except FileNotFoundError:
            return None

    def deploy(self, deployment: Deployment) -> None:
        if former := _former(self):
            write_text(self.root / HISTORY / _dated(former), former.to_json())
        write_text(self.root / DEPLOYMENT, deployment.to_json())

    def history(self) -> list[Deployment]:
        found = sorted((self.root / HISTORY).glob("[0-9]*.json"))
        return _readable((path.name, path.read_bytes()) for path in found)

    def keep_decision(self, version: str, text: str) -> None:
        write_text(self.root / DECISIONS / f"{_checked(version)}.json", text)

    def find_decision(self, version: str) -> str | None:
        try:
            return (self.root / DECISIONS / f"{_checked(version)}.json").read_text("utf-8")
        except FileNotFoundError:
            return None


class UrlStore:
    """A store behind fsspec: object storage, SFTP and the like.

    Folders cannot be renamed there in one step, so the manifest is uploaded last and a bundle
    without one does not exist yet.
    """

    def __init__(self, files: Any, root: str) -> None:
        self.files = files
        self.root = root.rstrip("/")

    def add(self, folder: Path) -> bool:
        manifest = verify(folder)
        if self.holds(manifest.version):
            return False
        place = f"{self.root}/{manifest.version}"
        for name in (*manifest.files, MANIFEST):
            self.files.makedirs(f"{place}/{name}".rpartition("/")[0], exist_ok=True)
            self.files.put_file(str(folder / name), f"{place}/{name}")
        return True

    def holds(self, version: str) -> bool:
        self.files.invalidate_cache()
        return bool(self.files.exists(f"{self.root}/{_checked(version)}/{MANIFEST}"))

    def find(self, version: str, cache: Path) -> Path | None:
        copy = cache / _checked(version)
        if _is_whole(copy):
            return copy
        if not self.holds(version):
            return None
        place = f"{self.root}/{version}"
        try:
            with fill_folder(copy) as partial:
                self.files.get_file(f"{place}/{MANIFEST}", str(partial / MANIFEST))
                for name in read_manifest(partial).files:
                    (partial / name).parent.mkdir(parents=True, exist_ok=True)
                    self.files.get_file(f"{place}/{name}", str(partial / name))
                verify(partial)
        except FileNotFoundError as error:
            raise BundleError(f"{version} is incomplete in the bundle store") from error
        return copy

    def find_deployment(self) -> Deployment | None:
        try:
            return parse_deployment(self.files.cat_file(f"{self.root}/{DEPLOYMENT}"))
        except FileNotFoundError:
            return None

    def deploy(self, deployment: Deployment) -> None:
        if former := _former(self):
            self.files.makedirs(f"{self.root}/{HISTORY}", exist_ok=True)
            place = f"{self.root}/{HISTORY}/{_dated(former)}"
            self.files.pipe_file(place, former.to_json().encode())
        partial = f"{self.root}/.{DEPLOYMENT}.{uuid4().hex[:12]}"
        self.files.makedirs(self.root, exist_ok=True)
        self.files.pipe_file(partial, deployment.to_json().encode())
        self.files.mv(partial, f"{self.root}/{DEPLOYMENT}")

    def history(self) -> list[Deployment]:
        self.files.invalidate_cache()
        found = sorted(self.files.glob(f"{self.root}/{HISTORY}/[0-9]*.json"))
        return _readable((name, self.files.cat_file(name)) for name in found)

    def keep_decision(self, version: str, text: str) -> None:
        self.files.makedirs(f"{self.root}/{DECISIONS}", exist_ok=True)
        self.files.pipe_file(f"{self.root}/{DECISIONS}/{_checked(version)}.json", text.encode())

    def find_decision(self, version: str) -> str | None:
        try:
            kept: bytes = self.files.cat_file(f"{self.root}/{DECISIONS}/{_checked(version)}.json")
        except FileNotFoundError:
            return None
        return kept.decode()


def _former(store: BundleStore) -> Deployment | None:
    try:
        return store.find_deployment()
    except BundleError as error:
        logger.warning("what is replaced is not kept in the history: %s", error)
        return None


def _dated(deployment: Deployment) -> str:
    # Names sort as the moments do: always UTC, always six digits of a second's fraction.
    return f"{deployment.published_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}.json"


def _readable(files: Iterable[tuple[str, bytes]]) -> list[Deployment]:
    deployments = []
    for name, content in files:
        try:
            deployments.append(parse_deployment(content))
        except BundleError as error:
            logger.warning("%s in the history is left out: %s", name.rpartition("/")[2], error)
    return deployments


def _checked(version: str) -> str:
    # A version becomes the name of a folder, and deployment.json comes from elsewhere.
    if not is_version(version):
        raise BundleError(f"{version!r} is not the version of a bundle")
    return version


def _is_whole(folder: Path) -> bool:
    if not folder.exists():
        return False
    try:
        verify(folder)
    except BundleError as error:
        logger.warning("the cached bundle is downloaded again: %s", error)
        return False
    return True
