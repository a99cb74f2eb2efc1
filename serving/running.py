"""What runs at one moment, as one object that is never changed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from data.schema import ArmKind, Detail, Neighbour, Prediction, Ticket
from models.deployment import Arm, Deployment
from models.manifest import Manifest
from serving.batching import Assistant


@dataclass(frozen=True)
class Serving:
    """A bundle in use."""

    manifest: Manifest
    assistant: Assistant


@dataclass(frozen=True, eq=False)
class Withholding:
    """A bundle in use that leaves to people what it would route of classes it withholds."""

    assistant: Assistant
    lost: Mapping[str, Collection[str]]
    """Target -> labels."""

    def predict(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> list[Prediction]:
        return self.assistant.predict(tickets, self.lost if lost is None else lost)

    def decide(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> list[Prediction]:
        return self.assistant.decide(tickets, self.lost if lost is None else lost)

    def find_similar(self, texts: Sequence[str], k: int) -> list[tuple[Neighbour, ...]]:
        return self.assistant.find_similar(texts, k)


@dataclass(frozen=True, eq=False)
class Deciding:
    """A bundle in use that is asked for decisions and tells nothing beside them."""

    assistant: Assistant

    def predict(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> list[Prediction]:
        return self.assistant.decide(tickets, lost)

    def decide(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> list[Prediction]:
        return self.assistant.decide(tickets, lost)

    def find_similar(self, texts: Sequence[str], k: int) -> list[tuple[Neighbour, ...]]:
        return self.assistant.find_similar(texts, k)


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

    @cached_property
    def asked(self) -> Mapping[str, Serving]:
        """The bundles as they are asked about tickets: without the certificates lost live."""
        withheld = self.deployment.all_withheld
        return {
            version: Serving(found.manifest, Withholding(found.assistant, withheld[version]))
            if version in withheld
            else found
            for version, found in self.bundles.items()
        }

    @cached_property
    def deciding(self) -> Mapping[str, Assistant]:
        """Who is asked for decisions alone, by version; one object each, so that calls are shared.

        Such tickets share no call with those that are answered in full.
        """
        return {version: Deciding(found.assistant) for version, found in self.asked.items()}

    def answering(self, version: str, detail: Detail) -> Assistant:
        """Who is asked about a ticket of which this much is wanted."""
        return self.asked[version].assistant if detail == "full" else self.deciding[version]


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
