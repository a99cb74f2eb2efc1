"""Nobody competes or answers without a passing decision, or a reason that is kept."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.errors import DataError, ModelError
from evaluation.gate_decision import GateDecision, Override, Rule, conclude
from models.assistant import TicketAssistant
from models.deployment import Arm, Deployment
from models.publishing import FolderStore
from models.registry import Registry
from pipelines.decisions import admit, find_decision, keep, override, require_passing
from tests.pipelines.gate_fakes import seal_keywords
from tests.stores import MemoryStore

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
CHAMPION = "invented-00000002"
FAILED = Rule(name="size", passed=False, why="it is too large")


@pytest.fixture
def registry(repository: Path) -> Registry:
    return Registry.open(repository, "ticket-assistant")


@pytest.fixture
def bundles(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "store")
    store.deploy(Deployment(champion=Arm(version=CHAMPION), published_at=NOW))
    return store


@pytest.fixture
def version(
    registry: Registry,
    trained_keywords: Path,
    tmp_path: Path,
    keywords: Callable[[Path], TicketAssistant],
) -> str:
    answers = {"named": [0.97, 0.03], "else": [0.3, 0.7]}
    manifest = seal_keywords(trained_keywords, tmp_path / "sealed", keywords, answers)
    registry.register(tmp_path / "sealed", manifest)
    return manifest.version


def decided(version: str, *rules: Rule, champion: str | None = CHAMPION) -> GateDecision:
    return conclude(version, champion, rules, NOW, {})


def reasoned(reason: str = "the printers wait") -> Override:
    return Override(by="anna", reason=reason, at=NOW)


def test_a_decision_is_kept_with_the_bundle_in_the_register_and_in_the_log(
    registry: Registry, bundles: FolderStore, version: str
) -> None:
    store, decision = MemoryStore(), decided(version, FAILED)
    keep(decision, bundles, registry, "anna", store.log)
    assert find_decision(bundles, version) == decision
    (event,) = store.events()
    assert (event.action, event.actor, event.subject) == ("gate.decided", "anna", version)
    assert event.detail == {
        "passed": False, "champion": CHAMPION, "failed": ["size"],
        "reasons": ["size: it is too large"],
    }  # fmt: skip
    (found,) = registry.client.search_model_versions("name = 'ticket-assistant'")
    assert (found.tags["gate"], found.tags["gate.champion"]) == ("refused", CHAMPION)
    (artefact,) = registry.client.list_artifacts(found.run_id, "decisions")
    assert artefact.path == "decisions/20261126T090000.000000Z.json"


def test_a_candidate_that_is_not_registered_is_decided_about_all_the_same(
    registry: Registry, bundles: FolderStore
) -> None:
    store, decision = MemoryStore(), decided("invented-00000009", champion=None)
    keep(decision, bundles, registry, "anna", store.log)
    assert find_decision(bundles, "invented-00000009") == decision
    assert len(store.lines) == 1


def test_a_passing_decision_against_the_champion_of_now_is_asked_for(bundles: FolderStore) -> None:
    version = "invented-00000001"
    with pytest.raises(ModelError, match="has not decided about invented-00000001: run `python -m"):
        require_passing(bundles, version)
    bundles.keep_decision(version, decided(version, champion="invented-00000003").to_json())
    with pytest.raises(ModelError, match=f"with invented-00000003, and the champion is {CHAMPION}"):
        require_passing(bundles, version)
    bundles.keep_decision(version, decided(version, champion=None).to_json())
    with pytest.raises(ModelError, match="with nobody, and"):
        require_passing(bundles, version)
    bundles.keep_decision(version, decided(version, FAILED).to_json())
    with pytest.raises(ModelError, match="refused invented-00000001: size: it is too large"):
        require_passing(bundles, version)
    passing = decided(version)
    bundles.keep_decision(version, passing.to_json())
    assert require_passing(bundles, version) == passing
    bundles.keep_decision(version, "no decision")
    with pytest.raises(DataError, match="is not a decision of the gate"):
        require_passing(bundles, version)


def test_the_first_champion_and_the_present_one_need_no_decision(
    bundles: FolderStore, tmp_path: Path
) -> None:
    assert require_passing(bundles, CHAMPION) is None
    assert require_passing(FolderStore(tmp_path / "empty"), "invented-00000001") is None


@pytest.mark.parametrize("kept", ["nothing", "refused", "of another", "broken"])
def test_an_override_is_kept_with_its_reason_whatever_was_decided(
    registry: Registry, bundles: FolderStore, version: str, kept: str
) -> None:
    texts = {
        "refused": decided(version, FAILED).to_json(),
        "of another": decided(version, champion="invented-00000003").to_json(),
        "broken": "no decision",
    }
    if kept in texts:
        bundles.keep_decision(version, texts[kept])
    store = MemoryStore()
    made = override(bundles, registry, version, reasoned(), store.log)
    assert made
    assert made.champion == CHAMPION
    assert not made.passed
    assert require_passing(bundles, version) == made
    (event,) = store.events()
    assert (event.action, event.actor) == ("gate.overridden", "anna")
    reasons = event.detail["reasons"]
    assert isinstance(reasons, list)
    assert reasons[0] == "the printers wait"
    assert event.detail["by"] == "anna"
    assert "--override" not in str(reasons)
    (found,) = registry.client.search_model_versions("name = 'ticket-assistant'")
    assert found.tags["gate"] == "overridden"


def test_what_passed_is_not_overridden(
    registry: Registry, bundles: FolderStore, version: str
) -> None:
    bundles.keep_decision(version, decided(version).to_json())
    store = MemoryStore()
    assert override(bundles, registry, version, reasoned(), store.log) is None
    assert store.lines == []
    assert admit(registry, bundles, version, "a reason", "anna", store.log) == [
        f"the gate passed it against {CHAMPION}"
    ]


def test_who_is_admitted_is_told_why(
    registry: Registry, bundles: FolderStore, version: str, tmp_path: Path
) -> None:
    store = MemoryStore()
    with pytest.raises(ModelError, match="the gate has not decided"):
        admit(registry, bundles, version, None, "anna", store.log)
    assert admit(registry, bundles, version, "it must", "anna", store.log) == [
        "the gate was overridden: it must"
    ]
    assert admit(registry, bundles, version, None, "bert", store.log) == [
        "the gate was overridden: it must"
    ]
    empty = FolderStore(tmp_path / "empty")
    (why,) = admit(registry, empty, version, None, "anna", store.log)
    assert why == "there is no other champion to be compared with"
    with pytest.raises(ModelError, match="no bundle 'invented-99999999' is registered"):
        admit(registry, bundles, "invented-99999999", "it must", "anna", store.log)
    assert [event.action for event in store.lines] == ["gate.overridden"]
