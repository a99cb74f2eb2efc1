"""Command: register the candidate bundle, publish it, and make the first one champion."""

import argparse
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.locks import DEPLOYMENT, PATIENCE, exclusive
from models.bundle import load, verify
from models.publishing import BundleStore, open_store
from models.registry import Registry
from pipelines import run
from pipelines.bundle import CANDIDATE
from pipelines.deploying import publish_aliases
from pipelines.params import read_params

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registration:
    """What registering changed; nothing, the second time."""

    version: str
    champion: str
    changes: tuple[str, ...]


def register(
    folder: Path,
    registry: Registry,
    store: BundleStore,
    check: Callable[[Path], object] = load,
) -> Registration:
    """Record a sealed bundle in the register and publish it to the store.

    It becomes champion where there is none; otherwise `pipelines.promote` decides. Every step asks
    whether it is done already, so that a second call does nothing and an interrupted one is
    completed.

    Parameters
    ----------
    check : called with a bundle before it is registered; replays its probes by default

    Raises
    ------
    BundleError
        If the bundle is not whole or does not answer its probes.
    """
    manifest = verify(folder)
    version, changes = manifest.version, []
    if not registry.holds(version):
        check(folder)
        registry.register(folder, manifest)
        changes.append("registered")
    added = store.add(folder)
    if added:
        changes.append("published")
    champion = registry.find_alias("champion")
    if champion is None:
        registry.move_alias("champion", version)
        champion = version
        changes.append("made champion, the first one")
    before = store.find_deployment()
    if publish_aliases(registry, store, check, version if added else None) != before:
        changes.append("deployment.json replaced")
    if manifest.fallback:
        logger.warning("%s was trained on the bundled sample: it is no real assistant", version)
    return Registration(version, champion, tuple(changes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=CANDIDATE, help="a sealed bundle")
    folder = parser.parse_args().folder
    params = read_params()
    run.begin(params.seed)
    registry = Registry.open(Path.cwd(), params.registry.name)
    with exclusive(DEPLOYMENT, wait_seconds=PATIENCE):
        done = register(folder, registry, open_store())
    if done.changes:
        logger.info("%s: %s", done.version, ", ".join(done.changes))
    else:
        logger.info("%s is registered and published already: nothing to do", done.version)
    if done.champion != done.version:
        logger.info(
            "the champion is %s; python -m pipelines.gate %s decides whether "
            "python -m pipelines.promote %s --as champion may change that",
            done.champion,
            done.version,
            done.version,
        )


if __name__ == "__main__":
    main()
