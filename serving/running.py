"""What runs at one moment, as one object that is never changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from data.schema import ArmKind
from models.deployment import Arm, Deployment
from models.manifest import Manifest
from serving.batching import Assistant


@dataclass(frozen=True)
class Serving:
    """A bundle in use."""

    manifest: Manifest
    assistant: Assistant


@dataclass(frozen=True)
class Running:
    """All that runs; a request takes this object once and ends with it."""

    deployment: Deployment
    """Reduced to what is loaded: it has a champion, and every version is in `bundles`."""
    bundles: Mapping[str, Serving]

    @property
    def champion(self) -> Serving:
        assert self.deployment.champion is not None, "nothing runs without a champion"
        return self.bundles[self.deployment.champion.version]


def kinds(deployment: Deployment) -> Iterator[tuple[ArmKind, Arm]]:
    """Every arm with what it is: the champion, the challengers, then the shadows."""
    if deployment.champion is not None:
        yield "champion", deployment.champion
    for challenger in deployment.challengers:
        yield "challenger", challenger
    for shadow in deployment.shadows:
        yield "shadow", shadow


def reduced(
    deployment: Deployment, bundles: Mapping[str, Serving], former: Running | None
) -> Deployment | None:
    """The deployment without what is not loaded; None without any champion.

    A bundle that answers is not asked as shadow too: it would say the same again.
    """
    champion = deployment.champion
    if champion is None or champion.version not in bundles:
        champion = None if former is None else former.deployment.champion
    if champion is None:
        return None
    challengers = tuple(
        one
        for one in deployment.challengers
        if one.version in bundles and one.version != champion.version
    )
    answering = {champion.version, *(one.version for one in challengers)}
    shadows = tuple(
        one for one in deployment.shadows if one.version in bundles and one.version not in answering
    )
    return deployment.model_copy(
        update={"champion": champion, "challengers": challengers, "shadows": shadows}
    )
