"""The alias moves, and deployment.json says so once the bundle lies in the store."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.errors import BundleError, ModelError
from data.schema import Ticket
from models.assistant import TicketAssistant
from models.bundle import Origin, load, seal, verify
from models.publishing import FolderStore
from models.registry import Registry
from pipelines import promote as command
from pipelines.promote import Part, obey, parse, promote, publish_aliases, rollback, stop
from tests.stores import MemoryStore

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
    assert deployment.challengers == ()
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
    assert [(one.version, one.share) for one in deployment.challengers] == [(second, 0.25)]
    changed = promote(registry, store, second, "challenger", 0.5, check)
    assert [(one.version, one.share) for one in changed.challengers] == [(second, 0.5)]


def test_a_challenger_that_wins_leaves_no_challenger(
    registry: Registry, store: FolderStore, first: str, second: str, check: Check
) -> None:
    promote(registry, store, first, "champion", check=check)
    promote(registry, store, second, "challenger", check=check)
    deployment = promote(registry, store, second, "champion", check=check)
    assert deployment.champion
    assert deployment.champion.version == second
    assert deployment.challengers == ()


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


@pytest.fixture
def third(store: FolderStore, sealed: Path) -> str:
    """Published by hand and named in no register: only a name in deployment.json."""
    version = "invented-33333333"
    shutil.copytree(sealed, store.root / version)
    return version


def test_a_shadow_watches_a_fraction_and_stays_when_the_champion_changes(
    registry: Registry, store: FolderStore, first: str, second: str, third: str, check: Check
) -> None:
    promote(registry, store, first, "champion", check=check)
    now = store.find_deployment()
    assert now
    store.deploy(now.with_shadow(third, 0.5, datetime.now(UTC)))
    promote(registry, store, second, "shadow", check=check, fraction=0.25)
    deployment = promote(registry, store, second, "champion", check=check)
    assert deployment.champion
    assert deployment.champion.version == second
    assert [(one.version, one.fraction) for one in deployment.shadows] == [(third, 0.5)]
    assert deployment == store.find_deployment()


def test_a_challenger_stays_beside_the_one_the_alias_names(
    registry: Registry, store: FolderStore, first: str, second: str, third: str, check: Check
) -> None:
    promote(registry, store, first, "champion", check=check)
    now = store.find_deployment()
    assert now
    store.deploy(now.with_challenger(third, 0.2, datetime.now(UTC)))
    deployment = promote(registry, store, second, "challenger", 0.3, check)
    assert [(one.version, one.share) for one in deployment.challengers] == [
        (third, 0.2),
        (second, 0.3),
    ]
    with pytest.raises(ModelError, match=r"would share 1\.1 of the tickets"):
        promote(registry, store, second, "challenger", 0.9, check)
    assert store.find_deployment() == deployment
    assert registry.find_share(second) == 0.3


def test_a_challenger_that_becomes_a_shadow_answers_nothing_more(
    registry: Registry, store: FolderStore, first: str, second: str, check: Check
) -> None:
    promote(registry, store, first, "champion", check=check)
    promote(registry, store, second, "challenger", check=check)
    deployment = promote(registry, store, second, "shadow", check=check)
    assert deployment.challengers == ()
    assert [one.version for one in deployment.shadows] == [second]
    assert publish_aliases(registry, store, check) == deployment


@pytest.mark.parametrize("part", ["challenger", "shadow"])
def test_a_part_that_is_stopped_does_not_come_back(
    registry: Registry, store: FolderStore, first: str, second: str, check: Check, part: Part
) -> None:
    promote(registry, store, first, "champion", check=check)
    promote(registry, store, second, part, check=check)
    assert stop(registry, store, second, check).versions == (first,)
    assert publish_aliases(registry, store, check).versions == (first,)
    with pytest.raises(ModelError, match="is no challenger or shadow; there are: none"):
        stop(registry, store, second, check)
    with pytest.raises(ModelError, match="is the champion and can only be replaced"):
        stop(registry, store, first, check)


def test_rolling_back_is_publishing_the_former_champion(
    registry: Registry, store: FolderStore, first: str, second: str, check: Check
) -> None:
    promote(registry, store, first, "champion", check=check)
    with pytest.raises(ModelError, match="no former champion"):
        rollback(registry, store, check)
    promote(registry, store, second, "champion", check=check)
    deployment = rollback(registry, store, check)
    assert deployment == store.find_deployment()
    assert deployment.versions == (first,)
    assert registry.find_alias("champion") == first
    with pytest.raises(ModelError, match="no former champion"):
        rollback(registry, store, check)


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


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["invented-00000000"],
        ["--as", "champion"],
        ["--stop"],
        ["invented-00000000", "--rollback"],
        ["invented-00000000", "--as", "shadow", "--stop"],
        ["invented-00000000", "--as", "shadow", "--override", "a reason"],
        ["invented-00000000", "--as", "champion", "--override", " "],
        ["--rollback", "--override", "a reason"],
    ],
)
def test_a_command_that_asks_for_nothing_or_too_much_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)


@pytest.mark.parametrize("part", ["challenger", "champion"])
def test_without_the_gate_only_a_reason_lets_a_bundle_compete_or_answer(
    registry: Registry, store: FolderStore, first: str, second: str, check: Check, part: Part
) -> None:
    facts = MemoryStore()
    obey(parse([first, "--as", "champion"]), registry, store, facts, "anna", check)
    before = store.find_deployment()
    with pytest.raises(ModelError, match=f"has not decided about {second}"):
        obey(parse([second, "--as", part]), registry, store, facts, "anna", check)
    assert store.find_deployment() == before
    asked = parse([second, "--as", part, "--override", "the printers wait"])
    published = obey(asked, registry, store, facts, "anna", check)
    assert second in published.versions
    actions = [event.action for event in facts.lines]
    last = "promotion" if part == "champion" else "experiment.started"
    assert actions == ["promotion", "gate.overridden", last]
    assert facts.lines[-1].subject == second
    assert facts.lines[-1].detail["reasons"] == [
        "asked for by anna", "the gate was overridden: the printers wait",
    ]  # fmt: skip


def test_shadows_rollbacks_and_stops_ask_no_gate_and_are_logged(
    registry: Registry, store: FolderStore, first: str, second: str, check: Check
) -> None:
    facts = MemoryStore()

    def do(*arguments: str) -> None:
        obey(parse([*arguments]), registry, store, facts, "anna", check)

    do(first, "--as", "champion")
    do(second, "--as", "shadow")
    do(second, "--stop")
    do(second, "--as", "champion", "--override", "to go back from")
    do("--rollback")
    assert [(event.action, event.subject) for event in facts.lines] == [
        ("promotion", first),
        ("experiment.started", second),
        ("experiment.stopped", second),
        ("gate.overridden", second),
        ("promotion", second),
        ("rollback", first),
    ]
    assert facts.lines[-1].detail == {
        "reasons": ["asked for by anna"], "former": second, "published": f"champion {first}",
    }  # fmt: skip


def test_a_command_that_is_refused_says_so(
    repository: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    (repository / "params.yaml").write_text("dataset: invented\nseed: 1\n")
    monkeypatch.setattr("sys.argv", ["promote", first, "--stop"])
    with pytest.raises(SystemExit, match=r"promote: .* is no challenger or shadow"):
        command.main()


def test_a_rollback_needs_no_version() -> None:
    assert parse(["--rollback"]).rollback
