"""Command: move an alias to a registered bundle, and publish what the aliases say.

python -m pipelines.promote VERSION --as champion
python -m pipelines.promote VERSION --as challenger --share 0.1
"""

import argparse
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from data.errors import ModelError
from models.bundle import load
from models.deployment import Arm, Challenger, Deployment
from models.publishing import BundleStore, open_store
from models.registry import Alias, Registry
from pipelines import run
from pipelines.params import read_params

logger = logging.getLogger(__name__)

SHARE = 0.1
"""Of the tickets, answered by a challenger unless said otherwise."""


def promote(
    registry: Registry,
    store: BundleStore,
    version: str,
    alias: Alias,
    share: float = SHARE,
    check: Callable[[Path], object] = load,
) -> Deployment:
    """Let a registered bundle answer as champion, or compete as challenger.

    Raises
    ------
    ModelError
        If it is not registered, or the champion is to be its own challenger.
    BundleError
        If the bundle fails its verification or its probes; nothing has moved then.
    """
    if alias == "challenger" and registry.find_alias("champion") == version:
        raise ModelError(f"{version} is the champion and cannot challenge itself")
    if not 0 < share < 1:
        raise ModelError(f"a challenger's share lies between 0 and 1, not {share}")
    publish_bundle(registry, store, version, check)
    before = registry.find_alias(alias)
    registry.move_alias(alias, version, share if alias == "challenger" else None)
    if before != version:
        logger.info("%s is %s over %s", version, alias, before or "nobody")
    return publish_aliases(registry, store, check)


def publish_aliases(
    registry: Registry,
    store: BundleStore,
    check: Callable[[Path], object] = load,
    anew: str | None = None,
) -> Deployment:
    """Make deployment.json say what the aliases say; shadows stay as they are.

    Written last, when every bundle it names is in the store, and only if something changed.

    Parameters
    ----------
    anew : version just put into the store; a server that refused a broken copy of it looks again
        only when deployment.json changes
    """
    champion, challenger = registry.find_alias("champion"), registry.find_alias("challenger")
    now = store.find_deployment()
    wanted = Deployment(
        champion=Arm(version=champion) if champion else None,
        challenger=Challenger(version=challenger, share=registry.find_share(challenger) or SHARE)
        if challenger
        else None,
        shadows=now.shadows if now else (),
        published_at=datetime.now(UTC),
    )
    for version in wanted.versions:
        publish_bundle(registry, store, version, check)
    same = now and now.model_copy(update={"published_at": wanted.published_at}) == wanted
    if now and same and anew not in wanted.versions:
        return now
    store.deploy(wanted)
    logger.info("published: champion %s, challenger %s", champion, challenger)
    return wanted


def publish_bundle(
    registry: Registry, store: BundleStore, version: str, check: Callable[[Path], object] = load
) -> None:
    """Put a registered bundle into the store unless it is there; its probes are replayed before.

    Raises
    ------
    ModelError
        If it is neither in the store nor registered.
    BundleError
        If it is not whole or does not answer its probes.
    """
    if store.holds(version):
        return
    with TemporaryDirectory() as folder:
        copy = registry.download(version, Path(folder))
        check(copy)
        store.add(copy)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("version", help="version of a registered bundle")
    parser.add_argument("--as", dest="alias", choices=("champion", "challenger"), required=True)
    parser.add_argument("--share", type=float, default=SHARE, help="of tickets, for a challenger")
    asked = parser.parse_args()
    params = read_params()
    run.begin(params.seed)
    registry = Registry.open(Path.cwd(), params.registry.name)
    promote(registry, open_store(), asked.version, asked.alias, asked.share)


if __name__ == "__main__":
    main()
