"""Two bundles answer the same rows, a decision comes of it, and it is kept."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import BundleError, DataError
from data.golden import GoldenTicket, add_golden
from data.sql import open_sql_store
from evaluation.gate_decision import GateDecision, parse_decision
from evaluation.gate_params import GateParams
from evaluation.gate_rows import Rows
from models.assistant import TicketAssistant
from models.bundle import load
from models.deployment import Arm, Deployment
from models.manifest import Manifest
from models.memory import Memory, MemoryParams
from models.publishing import FolderStore
from models.registry import Registry
from pipelines.gate import PASSED, REFUSED, STOPPED, gate, main
from pipelines.gate_sources import golden_rows
from pipelines.params import Params
from tests.pipelines.gate_fakes import WORDS, keep_prepared, make_prepared, seal_keywords

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
GOOD = {"named": [0.99, 0.01], "else": [0.01, 0.99]}
SAME = {"named": [0.985, 0.015], "else": [0.01, 0.99]}
UNSURE = {"named": [0.6, 0.4], "else": [0.03, 0.97]}
WRONG = {"named": [0.97, 0.03], "else": [0.97, 0.03]}
PARAMS = Params(
    dataset="invented",
    seed=1,
    evaluate={"bootstrap": 50, "behavior_tickets": 4},
    gate=GateParams(latency_ms=10_000),
)

Opened = Callable[[Path], tuple[Manifest, Any]]
Seal = Callable[..., Path]


@pytest.fixture
def opened(keywords: Callable[[Path], TicketAssistant]) -> Opened:
    return lambda folder: load(folder, keywords)


@pytest.fixture
def sealing(
    trained_keywords: Path, tmp_path: Path, keywords: Callable[[Path], TicketAssistant]
) -> Seal:
    def make(answers: dict[str, list[float]], **facts: Any) -> Path:
        folder = tmp_path / f"bundle-{len(list(tmp_path.glob('bundle-*')))}"
        seal_keywords(trained_keywords, folder, keywords, answers, **facts)
        return folder

    return make


def decide(
    candidate: Path, champion: Path | None, opened: Opened, *others: Rows, **facts: Any
) -> GateDecision:
    prepared = make_prepared(facts.pop("test", 1200), **facts.pop("summary", {}))
    params = facts.pop("params", PARAMS)
    return gate(candidate, champion, prepared, others, params, at=NOW, opened=opened, **facts)


def failed(decision: GateDecision) -> set[str]:
    return {rule.name for rule in decision.rules if rule.passed is False}


def test_a_bundle_that_answers_alike_passes(sealing: Seal, opened: Opened):
    decision = decide(sealing(GOOD), sealing(SAME), opened)
    assert decision.reasons[0].startswith("all ")
    assert decision.passed
    assert decision.at == NOW
    assert decision.data == {
        "prepared": "0" * 64, "candidate": "0" * 64, "champion": "0" * 64, "test_rows": 1200,
    }  # fmt: skip
    told = {rule.name: rule for rule in decision.rules}
    assert told["fair rows"].why == "0 of 1200 rows left out: a bundle has learned from them"
    assert told["accuracy"].value == 0
    assert told["behaviour"].passed
    assert "the champion fails as well" in told["behaviour"].why


def test_a_bundle_that_gets_a_class_wrong_is_refused_with_reasons(sealing: Seal, opened: Opened):
    decision = decide(sealing(WRONG), sealing(GOOD), opened)
    assert {"accuracy", "recall of a class", "automatic accuracy of a class", "certificate"} <= (
        failed(decision)
    )
    assert any("test category printer" in reason for reason in decision.reasons)
    assert all(WORDS["printer"] not in reason for reason in decision.reasons)


def test_the_first_champion_has_nobody_to_be_compared_with(sealing: Seal, opened: Opened):
    decision = decide(sealing(GOOD), None, opened)
    assert decision.champion is None
    assert "accuracy" not in {rule.name for rule in decision.rules}
    assert decision.data["champion"] is None
    assert failed(decision) <= {"behaviour"}  # keywords in capitals are none


def test_golden_tickets_are_asked_but_for_copies_of_what_was_learned(sealing: Seal, opened: Opened):
    learned = make_prepared(2).texts()[0]
    golden = [
        GoldenTicket(id=f"g{row}", text=f"no paper {row * 'left '}", labels={"category": "printer"})
        for row in range(30)
    ]
    golden.append(GoldenTicket(id="copy", text=learned, labels={"category": "network"}))
    bundles = sealing(WRONG), sealing(GOOD)
    none = golden_rows([], ["category"])
    decision = decide(*bundles, opened, golden_rows(golden, ["category"]), none)
    assert "accuracy: golden category" in " ".join(decision.reasons)
    fair = next(r for r in decision.rules if r.name == "fair rows" and r.source == "golden")
    assert fair.why == "1 of 31 rows left out: a bundle has learned from them"
    absent = [rule for rule in decision.rules if rule.why == "there are none to compare on"]
    assert [(rule.source, rule.passed) for rule in absent] == [("golden", None)]


def test_what_cannot_be_known_of_other_data_is_said(sealing: Seal, opened: Opened):
    decision = decide(sealing(GOOD), sealing(SAME, fingerprint="1" * 64), opened)
    fair = next(rule for rule in decision.rules if rule.name == "fair rows")
    assert f"; not known of {decision.champion}" in fair.why
    assert decision.data["champion"] == "1" * 64


def test_test_tickets_that_the_champion_remembers_are_left_out_for_both(
    sealing: Seal, opened: Opened
):
    ids = [f"t-{row}" for row in range(15, 30)]

    def remembering(folder: Path) -> tuple[Manifest, Any]:
        manifest, assistant = opened(folder)
        features = np.random.default_rng(1).random((len(ids), 4), dtype=np.float32)
        labels = {"category": ["network"] * len(ids)}
        memory = Memory.build(
            MemoryParams(neighbours=0), features, features, ids, labels, "category",
            [None] * len(ids),
        )  # fmt: skip
        remembers = TicketAssistant(
            assistant.members, assistant.ensemble, assistant.facts, memory=memory
        )
        return manifest, remembers if manifest.data_fingerprint == "1" * 64 else assistant

    decision = decide(sealing(GOOD), sealing(SAME, fingerprint="1" * 64), remembering)
    fair = next(rule for rule in decision.rules if rule.name == "fair rows")
    assert fair.why == "10 of 1200 rows left out: a bundle has learned from them"
    assert any(" on 1190 rows" in rule.why for rule in decision.rules)


def test_a_champion_of_the_bundled_sample_is_nobody_to_compare_with(sealing: Seal, opened: Opened):
    decision = decide(sealing(GOOD), sealing(SAME, fallback=True, dataset="sample"), opened)
    assert decision.champion
    assert decision.champion.startswith("sample-")
    told = {rule.name: rule for rule in decision.rules}
    assert told["real data"].passed is None
    assert "accuracy" not in told
    back = decide(sealing(SAME, fallback=True), sealing(GOOD), opened)
    assert "real data" in failed(back)


def test_classes_that_were_lost_live_are_not_routed(sealing: Seal, opened: Opened):
    candidate, champion = sealing(GOOD), sealing(SAME)
    version = opened(candidate)[0].version
    lost = {version: {"category": {"network": "too many errors"}}}
    decision = decide(candidate, champion, opened, lost=lost)
    assert failed(decision) == {"certified automation"}


def test_other_data_than_the_candidate_learned_from_are_refused(sealing: Seal, opened: Opened):
    with pytest.raises(DataError, match="learned from other, the prepared data are invented"):
        decide(sealing(GOOD, dataset="other"), sealing(SAME), opened)


def test_a_broken_bundle_decides_nothing(sealing: Seal, opened: Opened):
    broken = sealing(GOOD)
    (broken / "README.md").write_text("altered")
    with pytest.raises(BundleError):
        decide(broken, sealing(SAME), opened)


@pytest.fixture
def house(repository: Path, sealing: Seal, opened: Opened) -> tuple[FolderStore, str]:
    """A repository with params, prepared data and a champion; the store and its version."""
    params = "dataset: invented\nseed: 1\nevaluate: {bootstrap: 20, behavior_tickets: 2}\n"
    (repository / "params.yaml").write_text(params + "gate: {latency_ms: 10000}\n")
    prepared = make_prepared()
    keep_prepared(repository, prepared)
    store = FolderStore(repository / "models/published")
    folder = sealing(SAME)
    store.add(folder)
    version = opened(folder)[0].version
    store.deploy(Deployment(champion=Arm(version=version), published_at=NOW))
    return store, version


def test_the_command_keeps_logs_and_prints_what_it_decided(
    house: tuple[FolderStore, str],
    repository: Path,
    sealing: Seal,
    opened: Opened,
    capsys: pytest.CaptureFixture[str],
):
    store, champion = house
    candidate = sealing(GOOD)
    manifest = opened(candidate)[0]
    registry = Registry.open(repository, "ticket-assistant")
    registry.register(candidate, manifest)
    store.add(candidate)
    add_golden(
        repository / "data/golden",
        [GoldenTicket(id="g", text="no paper left", labels={"category": "printer"})],
        "anna", "the first", NOW,
    )  # fmt: skip
    assert main([manifest.version, "--actor", "anna"], opened) == PASSED
    assert capsys.readouterr().out.startswith(f"PASSED: {manifest.version} against {champion}")
    kept = store.find_decision(manifest.version)
    assert kept
    decision = parse_decision(kept, "here")
    assert decision.passed
    assert decision.data["golden_rows"] == 1
    (event,) = open_sql_store("sqlite:///.cache/store.db").events(action="gate.decided")
    assert (event.actor, event.subject) == ("anna", manifest.version)
    assert event.detail["reasons"] == list(decision.reasons)
    (found,) = registry.client.search_model_versions("name = 'ticket-assistant'")
    assert found.tags["gate"] == "passed"
    assert found.tags["gate.champion"] == champion


def test_a_refused_folder_is_told_as_json(
    house: tuple[FolderStore, str],
    sealing: Seal,
    opened: Opened,
    capsys: pytest.CaptureFixture[str],
):
    folder = sealing(UNSURE)
    assert main([str(folder), "--against", house[1], "--json"], opened) == REFUSED
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is False
    assert any(reason.startswith("certified automation") for reason in told["reasons"])


def test_a_command_that_cannot_decide_says_why(
    house: tuple[FolderStore, str], opened: Opened, caplog: pytest.LogCaptureFixture
):
    assert main(["invented-99999999"], opened) == STOPPED
    assert "is neither the folder of a bundle nor a published version" in caplog.text
