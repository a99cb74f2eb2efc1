"""The folder a benchmark works in: a store with one champion, the texts, a folder per system."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from data.durable import write_text
from models.deployment import Arm, Deployment
from models.manifest import read_manifest
from models.publishing import BundleStore, FolderStore
from serving.bench.processes import BenchError


@dataclass(frozen=True)
class Workplace:
    """What every system of a benchmark shares.

    Attributes
    ----------
    root : holds all of it
    version : of the bundle that every system answers from
    """

    root: Path
    version: str

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def bundle(self) -> Path:
        return self.store / self.version

    @property
    def texts(self) -> Path:
        return self.root / "texts.json"

    def fresh(self, name: str) -> Path:
        """An empty folder for one start of a system; what a former one left there is removed."""
        folder = self.root / "systems" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def prepare(root: Path, published: BundleStore, texts: list[str]) -> Workplace:
    """Copy the champion of a store into one of its own, without challengers and shadows.

    Raises
    ------
    BenchError
        If the store names no champion.
    BundleError
        If the bundle cannot be trusted.
    """
    deployment = published.find_deployment()
    if deployment is None or deployment.champion is None:
        raise BenchError("nothing is published to measure: run `make` first")
    version = deployment.champion.version
    found = published.find(version, root / "cache")
    if found is None:
        raise BenchError(f"the store names {version} and does not hold it")
    workplace = Workplace(root, read_manifest(found).version)
    store = FolderStore(workplace.store)
    store.add(found)
    store.deploy(Deployment(champion=Arm(version=version), published_at=datetime.now(UTC)))
    write_text(workplace.texts, json.dumps(texts))
    return workplace
