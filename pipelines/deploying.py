"""Who answers, who competes and who only watches: aliases and deployment.json are brought in line.

The aliases of the register name the champion and the challenger promoted last; deployment.json in
the bundle store names all arms, and is what serving follows.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from data.errors import ModelError
from data.store import Event
from models.bundle import load
from models.deployment import Deployment, former_champion
from models.publishing import BundleStore
from models.registry import Registry

logger = logging.getLogger(__name__)

Part = Literal["champion", "challenger", "shadow"]

SHARE = 0.1
"""Of the tickets, answered by a challenger unless said otherwise."""

FRACTION = 1.0
"""Of the tickets, shown to a shadow unless said otherwise."""


def promote(
    registry: Registry,
    store: BundleStore,
    version: str,
    part: Part,
    share: float = SHARE,
    check: Callable[[Path], object] = load,
    fraction: float = FRACTION,
) -> Deployment:
    """Let a registered bundle answer as champion, compete as challenger or watch as shadow.

    Raises
    ------
    ModelError
        If it is not registered, the champion is to be more than that, or the shares leave the
        champion no tickets.
    BundleError
        If the bundle fails its verification or its probes; nothing has moved then.
    """
    moment = datetime.now(UTC)
    now = _as_aliased(registry, store, moment)
    if part == "champion":
        wanted = now.with_champion(version, moment)
    elif part == "challenger":
        wanted = now.with_challenger(version, share, moment)
    else:
        wanted = now.with_shadow(version, fraction, moment)
    publish_bundle(registry, store, version, check)
    if part == "shadow":
        _drop_challenger(registry, version)
    else:
        registry.move_alias(part, version, share if part == "challenger" else None)
    return _publish(registry, store, wanted, check)


def stop(
    registry: Registry,
    store: BundleStore,
    version: str,
    check: Callable[[Path], object] = load,
) -> Deployment:
    """End a bundle's part as challenger or shadow.

    Raises
    ------
    ModelError
        If it is the champion, or has no part.
    """
    moment = datetime.now(UTC)
    wanted = _as_aliased(registry, store, moment).stopping(version, moment)
    _drop_challenger(registry, version)
    return _publish(registry, store, wanted, check)


def rollback(
    registry: Registry, store: BundleStore, check: Callable[[Path], object] = load
) -> Deployment:
    """Let the former champion answer again; the present one keeps no part.

    Raises
    ------
    ModelError
        If nobody was champion before, or that bundle is not registered any more.
    """
    now = store.find_deployment()
    version = former_champion([*store.history(), *([now] if now else [])])
    if version is None:
        raise ModelError("the bundle store knows no former champion to go back to")
    return promote(registry, store, version, "champion", check=check)


def publish_aliases(
    registry: Registry,
    store: BundleStore,
    check: Callable[[Path], object] = load,
    anew: str | None = None,
) -> Deployment:
    """Make deployment.json say what the aliases say; all other arms stay as they are.

    Written last, when every bundle it names is in the store, and only if something changed.

    Parameters
    ----------
    anew : version just put into the store; a server that refused a broken copy of it looks again
        only when deployment.json changes
    """
    return _publish(registry, store, _as_aliased(registry, store, datetime.now(UTC)), check, anew)


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


def _as_aliased(registry: Registry, store: BundleStore, moment: datetime) -> Deployment:
    """What is deployed, brought into line with the aliases."""
    wanted = store.find_deployment() or Deployment(champion=None, published_at=moment)
    if champion := registry.find_alias("champion"):
        wanted = wanted.with_champion(champion, moment)
    else:
        wanted = wanted.model_copy(update={"champion": None})
    if challenger := registry.find_alias("challenger"):
        share = registry.find_share(challenger) or SHARE
        wanted = wanted.with_challenger(challenger, share, moment)
    return wanted


def _publish(
    registry: Registry,
    store: BundleStore,
    wanted: Deployment,
    check: Callable[[Path], object],
    anew: str | None = None,
) -> Deployment:
    for version in wanted.versions:
        publish_bundle(registry, store, version, check)
    now = store.find_deployment()
    same = now and now.model_copy(update={"published_at": wanted.published_at}) == wanted
    if now and same and anew not in wanted.versions:
        return now
    wanted = wanted.model_copy(update={"published_at": datetime.now(UTC)})
    store.deploy(wanted)
    logger.info("published: %s", tell_arms(wanted))
    return wanted


def _drop_challenger(registry: Registry, version: str) -> None:
    """Take the alias from a bundle that challenges no more."""
    if registry.find_alias("challenger") == version:
        registry.client.delete_registered_model_alias(registry.name, "challenger")


def tell_rollback(
    before: Deployment | None, after: Deployment, reasons: Sequence[str], actor: str
) -> Event:
    """A rollback as the audit log has it, whichever command it was asked of.

    As of a promotion, the subject is who answers now; `former` is who answered before.
    """
    return Event(
        at=datetime.now(UTC),
        actor=actor,
        action="rollback",
        subject=name_champion(after),
        detail={
            "reasons": [*reasons],
            "former": name_champion(before) if before else None,
            "published": tell_arms(after),
        },
    )


def tell_arms(deployment: Deployment) -> str:
    """All arms in one line, for logs."""
    parts = [f"champion {name_champion(deployment)}"]
    parts += [f"challenger {one.version} ({one.share:g})" for one in deployment.challengers]
    parts += [f"shadow {one.version} ({one.fraction:g})" for one in deployment.shadows]
    return ", ".join(parts)


def name_champion(deployment: Deployment) -> str:
    """Version of the champion, or nobody."""
    return deployment.champion.version if deployment.champion else "nobody"
