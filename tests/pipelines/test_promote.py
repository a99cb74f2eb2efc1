"""The alias moves, and deployment.json says so once the bundle lies in the store."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import BundleError, ModelError
from data.schema import Ticket
from models.assistant import TicketAssistant
from models.bundle import Origin, load, seal, verify
from models.publishing import FolderStore
from models.registry import Registry
from pipelines import promote as command
from pipelines.promote import promote, publish_aliases

Check = Callable[[Path], object]


@pytest.fixture
def check(keywords: Callable[[Path], TicketAssistant]) -> Check:
    return lambda folder: load(folder, keywords)


@pytest.fixture
def registry(repository: Path) -> Registry:
    return Registry.open(repository, "ticket-assistant")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def first(registry: Registry, sealed: Path) -> str:
    registry.register(sealed, verify(sealed))
    return verify(sealed).version


@pytest.fixture
def second(
    registry: Registry,
    first: str,
    trained_keywords: Path,
    tmp_path: Path,
    keywords: Callable[[Path], TicketAssistant],
) -> str:
    answers = {"named": [0.99, 0.01], "else": [0.4, 0.6]}
    (trained_keywords / "linear/member.json").write_text(json.dumps(answers))
    folder = tmp_path / "second"
    origin = Origin("invented", False, "0" * 64, {}, {})
    probes = [Ticket(text="network")]
    seal(
        trained_keywords, folder, origin,
        card="", reference={}, probes=probes, construct=keywords,
    )  # fmt: skip
    registry.register(folder, verify(folder))
    return verify(folder).version


def test_a_promoted_bundle_is_published_and_named(
    registry: Registry, store: FolderStore, first: str, check: Check, tmp_path: Path
) -> None:
    deployment = promote(registry, store, first, "champion", check=check)
    assert deployment == store.find_deployment()
    assert deployment.champion
    assert deployment.champion.version == first
    assert deployment.challenger is None
    folder = store.find(first, tmp_path)
    assert folder
    check(folder)


def test_a_challenger_gets_its_share_beside_the_champion(
    registry: Registry, store: FolderStore, first: str, second: str, check: Check
) -> None:
    promote(registry, store, first, "champion", check=check)
    deployment = promote(registry, store, second, "challenger", 0.25, check)
    assert deployment.champion
    assert deployment.champion.version == first
    assert deployment.challenger
    assert deployment.challenger.version == second
    assert deployment.challenger.share == 0.25
    changed = promote(registry, store, second, "challenger", 0.5, check)
    assert changed.challenger
    assert changed.challenger.share == 0.5


def test_a_challenger_that_wins_leaves_no_challenger(
    registry: Registry, store: FolderStore, first: str, second: str, check: Check
) -> None:
    promote(registry, store, first, "champion", check=check)
    promote(registry, store, second, "challenger", check=check)
    deployment = promote(registry, store, second, "champion", check=check)
    assert deployment.champion
    assert deployment.champion.version == second
    assert deployment.challenger is None


def test_going_back_is_promoting_the_former_champion(
    registry: Registry, store: FolderStore, first: str, second: str, check: Check
) -> None:
    for version in (first, second, first):
        deployment = promote(registry, store, version, "champion", check=check)
    assert deployment.champion
    assert deployment.champion.version == first


def test_promoting_again_changes_nothing(
    registry: Registry, store: FolderStore, first: str, check: Check
) -> None:
    before = promote(registry, store, first, "champion", check=check)
    assert promote(registry, store, first, "champion", check=check) == before


def test_shadows_stay(
    registry: Registry, store: FolderStore, first: str, second: str, check: Check
) -> None:
    deployment = promote(registry, store, first, "champion", check=check)
    promote(registry, store, second, "challenger", check=check)
    assert deployment.champion
    store.deploy(deployment.model_copy(update={"shadows": (deployment.champion,)}))
    assert promote(registry, store, second, "champion", check=check).shadows


def test_nothing_moves_if_the_bundle_fails_its_probes(
    registry: Registry, store: FolderStore, first: str, second: str, check: Check
) -> None:
    promote(registry, store, first, "champion", check=check)

    def fail(folder: Path) -> None:
        raise BundleError("answers otherwise")

    with pytest.raises(BundleError, match="answers otherwise"):
        promote(registry, store, second, "champion", check=fail)
    assert registry.find_alias("champion") == first
    deployment = store.find_deployment()
    assert deployment
    assert deployment.versions == (first,)


def test_what_is_not_registered_cannot_be_promoted(
    registry: Registry, store: FolderStore, first: str
) -> None:
    with pytest.raises(ModelError, match="no bundle 'invented-00000000' is registered"):
        promote(registry, store, "invented-00000000", "champion")


def test_the_champion_cannot_challenge_itself(
    registry: Registry, store: FolderStore, first: str, check: Check
) -> None:
    promote(registry, store, first, "champion", check=check)
    with pytest.raises(ModelError, match="cannot challenge itself"):
        promote(registry, store, first, "challenger", check=check)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_lies_between_none_and_all(
    registry: Registry, store: FolderStore, first: str, share: float
) -> None:
    with pytest.raises(ModelError, match="share lies between 0 and 1"):
        promote(registry, store, first, "challenger", share)


def test_without_aliases_nobody_is_named(registry: Registry, store: FolderStore) -> None:
    deployment = publish_aliases(registry, store)
    assert deployment.versions == ()


def test_the_command_reads_its_arguments(
    repository: Path, monkeypatch: pytest.MonkeyPatch, first: str, sealed: Path
) -> None:
    store = FolderStore(repository / "models" / "published")
    store.add(sealed)
    (repository / "params.yaml").write_text("dataset: invented\nseed: 1\n")
    monkeypatch.setattr("sys.argv", ["promote", first, "--as", "champion"])
    command.main()
    deployment = store.find_deployment()
    assert deployment
    assert deployment.versions == (first,)
