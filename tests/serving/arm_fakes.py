"""Bundles that answer with their own version, and deployments of several of them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from data.schema import Neighbour, Prediction, Ticket
from models.deployment import Arm, Challenger, Deployment, Shadow
from models.manifest import Manifest
from tests.serving.fakes import MemoryStore, RuleAssistant, make_manifest

A, B, C, D = (f"invented-{digit * 8}" for digit in "abcd")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class NamedAssistant(RuleAssistant):
    """Says in its answers which version it is; knows itself, as networks do, and weighs a MiB."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self.version = version
        self.itself = self
        self.weights = bytearray(2**20)

    def predict(
        self, tickets: Sequence[Ticket], lost: Mapping[str, Collection[str]] | None = None
    ) -> list[Prediction]:
        answers = super().predict(tickets, lost)
        return [answer.model_copy(update={"bundle": self.version}) for answer in answers]

    def find_similar(self, texts: Sequence[str], k: int) -> list[tuple[Neighbour, ...]]:
        return [() for _ in texts]


class NamedLoader:
    """Loads the version that the folder is named by, but what it was told to refuse."""

    def __init__(self) -> None:
        self.refuses: dict[str, Exception] = {}
        self.loaded: list[str] = []
        self.assistants: dict[str, NamedAssistant] = {}

    def __call__(self, folder: Path) -> tuple[Manifest, NamedAssistant]:
        self.loaded.append(folder.name)
        if folder.name in self.refuses:
            raise self.refuses[folder.name]
        assistant = self.assistants.get(folder.name) or NamedAssistant(folder.name)
        return make_manifest(folder.name, fallback=False), assistant


def deployment(
    champion: str,
    challengers: Mapping[str, float] | None = None,
    shadows: Mapping[str, float] | None = None,
    at: datetime = NOW,
) -> Deployment:
    """Challengers with their shares and shadows with their fractions."""
    return Deployment(
        champion=Arm(version=champion, since=at),
        challengers=tuple(
            Challenger(version=version, share=share, since=at)
            for version, share in (challengers or {}).items()
        ),
        shadows=tuple(
            Shadow(version=version, fraction=fraction, since=at)
            for version, fraction in (shadows or {}).items()
        ),
        published_at=at,
    )


def publish(store: MemoryStore, wanted: Deployment) -> None:
    """Name the bundles and hold them."""
    store.holds.update(wanted.versions)
    store.deployment = wanted
