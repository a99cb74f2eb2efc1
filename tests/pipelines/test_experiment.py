"""An experiment is rehearsed, started, judged and ended, each with its reasons in the audit log."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import BundleError, ModelError
from data.schema import ArmKind, Prediction, TargetPrediction, Ticket
from data.sql import open_sql_store
from data.store import Feedback, Store, StoredPrediction
from evaluation.gate_decision import GateDecision
from evaluation.guardrails import VerdictRules
from models.assistant import TicketAssistant
from models.bundle import load
from models.deployment import Deployment
from models.publishing import FolderStore
from models.registry import Registry
from pipelines import experiment as command
from pipelines.decisions import keep
from pipelines.deploying import promote
from pipelines.experiment import make_parser, obey
from pipelines.experiment_acts import Acts
from pipelines.experiment_params import ExperimentParams, RehearsalParams
from pipelines.experiment_state import Status, find_running, find_status, tell
from pipelines.promote import obey as obey_promote
from pipelines.promote import parse
from tests.pipelines.conftest import RegisterAnswering
from tests.stores import MemoryStore

RULES = VerdictRules(least_answers=50, margin=0.05)
LENIENT = RehearsalParams(changed=1, rerouted=1)
# A certificate is not what is tried here, and few tickets cannot lose one that asks for so little.
ACCURACY = 0.3


@pytest.fixture
def versions(
    register_answering: RegisterAnswering, trained_keywords: Path, tmp_path: Path
) -> tuple[str, str]:
    """Two registered bundles: sure of networks, and sure of printers too."""
    ensemble = trained_keywords / "ensemble/ensemble.json"
    ensemble.write_text(ensemble.read_text().replace('"accuracy": 0.95', f'"accuracy": {ACCURACY}'))
    return (
        register_answering(tmp_path / "first", [0.97, 0.03], [0.3, 0.7]),
        register_answering(tmp_path / "second", [0.97, 0.03], [0.6, 0.4]),
    )


@pytest.fixture
def acts(
    registry: Registry,
    bundles: FolderStore,
    versions: tuple[str, str],
    keywords: Callable[[Path], TicketAssistant],
) -> Acts:
    """The first is champion, and the gate has passed the second."""

    def check(folder: Path) -> tuple[Any, TicketAssistant]:
        return load(folder, keywords)

    promote(registry, bundles, versions[0], "champion", check=check)
    store = MemoryStore()
    params = ExperimentParams(verdict=RULES, rehearsal=LENIENT, automatic=("promote", "stop"))
    made = Acts(registry, bundles, store, params, "anna", check)
    pass_gate(made, versions[1])
    store.lines.clear()
    return made


def pass_gate(acts: Acts, version: str, passed: bool = True) -> None:
    deployment = acts.bundles.find_deployment()
    assert deployment
    assert deployment.champion
    decision = GateDecision(
        passed=passed, candidate=version, champion=deployment.champion.version, rules=(),
        reasons=("invented",), at=datetime.now(UTC),
    )  # fmt: skip
    keep(decision, acts.bundles, acts.registry, "anna", acts.store.log)


def lines(acts: Acts) -> list[tuple[str, str]]:
    return [(event.action, event.subject) for event in reversed(acts.store.events())]


def status_of(acts: Acts) -> Status:
    return find_status(
        acts.bundles.find_deployment(), acts.store, acts.bundles, acts.params.verdict,
        datetime.now(UTC),
    )  # fmt: skip


def serve(
    store: Store,
    version: str,
    accuracy: float,
    n: int = 400,
    arm: ArmKind = "champion",
    start: int = 0,
    **facts: Any,
) -> None:
    """n audited answers, told a little later than now, this share of them exactly called right."""
    store.know_bundle(version, {"category": ("network", "printer")})
    right = np.random.default_rng(start).permutation(n) < round(accuracy * n)
    moment = datetime.now(UTC) + timedelta(seconds=1)
    usual: dict[str, Any] = {
        "at": moment, "arm": arm, "propensity": 0.5,
        "audit": arm != "shadow", "audit_propensity": 0.2,
    }  # fmt: skip
    rows, said = [], []
    for number in range(start, start + n):
        answer = TargetPrediction(
            label="network", confidence=0.97, decision="auto", reason="certified"
        )
        prediction = Prediction(
            ticket_id=None, bundle=version, fallback=False, language="en",
            targets={"category": answer},
        )  # fmt: skip
        own = {"beside": f"{number - start:032x}"} if arm == "shadow" else {}
        rows.append(
            StoredPrediction(
                id=f"{number:032x}", ticket=Ticket(text="no network"),
                prediction=prediction, **{**usual, **own, **facts},
            )
        )  # fmt: skip
        verdict: dict[str, Any] = (
            {"verdict": "confirm"} if right[number - start]
            else {"verdict": "correct", "label": "printer"}
        )  # fmt: skip
        said.append(
            Feedback(key=f"{version} {number}", prediction_id=f"{number:032x}", at=moment,
                     target="category", author="ben", **verdict)
        )  # fmt: skip
    store.add_predictions(rows)
    if arm != "shadow":
        store.add_feedback(said)


# Starting -------------------------------------------------------------------------------------


def test_a_candidate_is_rehearsed_before_it_competes(acts: Acts, versions: tuple[str, str]) -> None:
    first, second = versions
    serve(acts.store, first, 0.9, 20)
    reasons = acts.start(second, "challenger", 0.25)
    deployment = acts.bundles.find_deployment()
    assert deployment
    assert [(one.version, one.share) for one in deployment.challengers] == [(second, 0.25)]
    assert reasons[0].startswith("rehearsed on 20 logged tickets, 0 failed")
    assert reasons[-1] == f"the gate passed it against {first}"
    (event,) = acts.store.events(action="experiment.started")
    assert (event.subject, event.actor, event.detail["reasons"]) == (second, "anna", reasons)
    assert event.detail["share"] == 0.25
    assert event.detail["rehearsal"]["targets"]["category"]["known"] == 20  # type: ignore[index,call-overload]


def test_a_shadow_needs_no_gate_and_no_logged_tickets(
    acts: Acts, versions: tuple[str, str]
) -> None:
    pass_gate(acts, versions[1], passed=False)
    assert acts.start(versions[1], "shadow", 0.5) == ["no logged tickets to rehearse on"]
    deployment = acts.bundles.find_deployment()
    assert deployment
    assert [(one.version, one.fraction) for one in deployment.shadows] == [(versions[1], 0.5)]


def test_what_fails_its_rehearsal_is_refused_and_that_is_logged(
    acts: Acts, versions: tuple[str, str]
) -> None:
    first, second = versions
    serve(acts.store, first, 0.9, 20)
    strict = replace(acts, params=ExperimentParams(rehearsal=RehearsalParams(p95_ms=1e-9)))
    before = acts.bundles.find_deployment()
    with pytest.raises(ModelError, match=f"{second} is not started: p95 .* ms allowed"):
        strict.start(second, "shadow", 1.0)
    assert acts.bundles.find_deployment() == before
    assert lines(acts) == [("experiment.refused", second)]
    assert strict.start(second, "shadow", 1.0, "a slow machine")[-1] == (
        "started all the same: a slow machine"
    )


def test_what_the_gate_refused_competes_only_for_a_reason(
    acts: Acts, versions: tuple[str, str]
) -> None:
    pass_gate(acts, versions[1], passed=False)
    with pytest.raises(ModelError, match="the gate refused"):
        acts.start(versions[1], "challenger", 0.1)
    reasons = acts.start(versions[1], "challenger", 0.1, "asked for by the board")
    assert reasons[-1] == "the gate was overridden: asked for by the board"


def test_a_bundle_that_does_not_load_or_is_unknown_is_not_started(
    acts: Acts, versions: tuple[str, str]
) -> None:
    def fail(folder: Path) -> tuple[Any, TicketAssistant]:
        raise BundleError("answers otherwise")

    with pytest.raises(BundleError, match="answers otherwise"):
        replace(acts, check=fail).start(versions[1], "shadow", 1.0)
    with pytest.raises(ModelError, match="no bundle 'invented-00000000' is registered"):
        acts.start("invented-00000000", "shadow", 1.0)
    assert lines(acts) == []


def test_a_larger_share_does_not_throw_away_what_was_seen(
    acts: Acts, versions: tuple[str, str]
) -> None:
    acts.start(versions[1], "challenger", 0.1)
    (began,) = find_running(acts.bundles.find_deployment(), acts.store)
    acts.start(versions[1], "challenger", 0.5)
    (now,) = find_running(acts.bundles.find_deployment(), acts.store)
    assert (now.share, now.since) == (0.5, began.since)
    acts.stop(versions[1], ["asked for"])
    acts.start(versions[1], "challenger", 0.5)
    (again,) = find_running(acts.bundles.find_deployment(), acts.store)
    assert again.since > began.since


# Status ---------------------------------------------------------------------------------------


def test_without_a_champion_or_experiments_there_is_nothing_to_tell(acts: Acts) -> None:
    status = status_of(acts)
    assert "no experiment is running" in tell(status)
    nobody = Deployment(champion=None, published_at=datetime.now(UTC))
    for deployment in (None, nobody):
        found = find_status(deployment, acts.store, acts.bundles, RULES, datetime.now(UTC))
        assert found.experiments == ()
        assert tell(found) == "nobody is champion: there is nothing to compare with\n"


def test_the_status_names_every_experiment_with_its_verdict(
    acts: Acts, versions: tuple[str, str]
) -> None:
    first, second = versions
    acts.start(second, "challenger", 0.5)
    serve(acts.store, first, 0.7)
    serve(acts.store, second, 0.9, arm="challenger", start=1000)
    status = status_of(acts)
    (experiment,) = status.experiments
    assert experiment.verdict.outcome == "better"
    assert (experiment.verdict.champion_answers, experiment.verdict.rival_answers) == (400, 400)
    told = tell(status)
    assert second in told
    assert "challenger  0.5" in told
    assert "category: accuracy +0.200" in told
    assert "latency: not measured" in told
    assert Status.model_validate_json(status.model_dump_json()) == status


def test_answers_before_both_were_there_do_not_count(acts: Acts, versions: tuple[str, str]) -> None:
    first, second = versions
    early = {"at": datetime.now(UTC) - timedelta(hours=1)}
    serve(acts.store, first, 0.7, 50, **early)
    acts.start(second, "challenger", 0.5)
    serve(acts.store, first, 0.7, 30, start=500)
    assert status_of(acts).experiments[0].verdict.champion_answers == 30


def test_a_bundle_that_cannot_be_read_promises_the_usual(
    acts: Acts, versions: tuple[str, str]
) -> None:
    acts.start(versions[1], "shadow", 1.0)
    (acts.bundles.root / versions[1] / "manifest.json").write_text("{")  # type: ignore[attr-defined]
    assert status_of(acts).experiments[0].verdict.outcome == "too early"


def test_shadows_are_judged_by_their_pairs(acts: Acts, versions: tuple[str, str]) -> None:
    first, second = versions
    acts.start(second, "shadow", 0.5)
    serve(acts.store, first, 0.9, 60, propensity=1.0)
    serve(acts.store, second, 0.9, 60, arm="shadow", start=2000)
    (experiment,) = status_of(acts).experiments
    assert (experiment.part, experiment.share) == ("shadow", 0.5)
    assert experiment.verdict.targets["category"].accuracy.value == 0
    assert experiment.verdict.targets["category"].accuracy.champion_rows == 60


# Ending ---------------------------------------------------------------------------------------


def test_a_stop_says_why(acts: Acts, versions: tuple[str, str]) -> None:
    acts.start(versions[1], "shadow", 1.0)
    assert acts.stop(versions[1], ["too slow"]) == [f"stopped {versions[1]}", "too slow"]
    deployment = acts.bundles.find_deployment()
    assert deployment
    assert deployment.versions == (versions[0],)
    assert acts.store.events(1)[0].detail == {"reasons": ["too slow"]}


def test_only_a_better_challenger_or_a_reason_changes_the_champion(
    acts: Acts, versions: tuple[str, str]
) -> None:
    first, second = versions
    with pytest.raises(ModelError, match=f"no experiment with {second} is running; running: none"):
        acts.promote(second, status_of(acts))
    acts.start(second, "challenger", 0.5)
    with pytest.raises(ModelError, match="is not promoted, the verdict is 'too early'"):
        acts.promote(second, status_of(acts))
    reasons = acts.promote(second, status_of(acts), "the board wants it")
    assert reasons[:3] == [
        f"promoted {second}", "promoted by anna: the board wants it", "verdict: too early",
    ]  # fmt: skip
    deployment = acts.bundles.find_deployment()
    assert deployment
    assert deployment.versions == (second,)
    (event,) = acts.store.events(action="promotion")
    assert (event.detail["former"], event.detail["verdict"]) == (first, "too early")


def test_a_better_challenger_is_promoted_by_itself(acts: Acts, versions: tuple[str, str]) -> None:
    first, second = versions
    acts.start(second, "challenger", 0.5)
    serve(acts.store, first, 0.7)
    serve(acts.store, second, 0.9, arm="challenger", start=1000)
    waiting = replace(acts, params=acts.params.model_copy(update={"automatic": ("stop",)}))
    assert waiting.automatic(status_of(acts)) == []
    done = acts.automatic(status_of(acts))
    assert done[:2] == [f"promoted {second}", "verdict: better"]
    assert acts.registry.find_alias("champion") == second
    # The verdict was logged once, though it was looked at twice.
    assert lines(acts) == [
        ("experiment.started", second), ("experiment.verdict", second), ("promotion", second),
    ]  # fmt: skip
    former = acts.store.events(1)[0].detail["former_accuracy"]
    assert isinstance(former, dict)
    low, high = former["category"]  # type: ignore[misc]
    assert 0.6 < low < 0.7 < high < 0.8  # type: ignore[operator]


def test_without_the_gate_nothing_is_promoted_by_itself(
    acts: Acts, versions: tuple[str, str]
) -> None:
    first, second = versions
    acts.start(second, "challenger", 0.5)
    pass_gate(acts, second, passed=False)
    serve(acts.store, first, 0.7)
    serve(acts.store, second, 0.9, arm="challenger", start=1000)
    (why,) = acts.automatic(status_of(acts))
    assert why.startswith(f"the gate refused {second}")
    assert acts.registry.find_alias("champion") == first


def test_a_better_shadow_waits_for_a_person(acts: Acts, versions: tuple[str, str]) -> None:
    acts.start(versions[1], "shadow", 1.0)
    status = status_of(acts)
    verdict = status.experiments[0].verdict.model_copy(update={"outcome": "better"})
    better = status.experiments[0].model_copy(update={"verdict": verdict})
    assert acts.automatic(status.model_copy(update={"experiments": (better,)})) == []


def test_a_worse_challenger_is_stopped_by_itself(acts: Acts, versions: tuple[str, str]) -> None:
    first, second = versions
    acts.start(second, "challenger", 0.5)
    serve(acts.store, first, 0.9)
    serve(acts.store, second, 0.7, arm="challenger", start=1000)
    done = acts.automatic(status_of(acts))
    assert done[0] == f"stopped {second}"
    assert done[1].startswith("category: accuracy -0.200")
    deployment = acts.bundles.find_deployment()
    assert deployment
    assert deployment.versions == (first,)
    assert lines(acts)[-1] == ("experiment.stopped", second)


@pytest.mark.parametrize(("accuracy", "back"), [(0.5, True), (0.85, False)])
def test_a_champion_worse_than_the_one_before_is_rolled_back(
    acts: Acts, versions: tuple[str, str], accuracy: float, back: bool
) -> None:
    first, second = versions
    acts.start(second, "challenger", 0.5)
    serve(acts.store, first, 0.8)
    acts.promote(second, status_of(acts), "we are sure")
    serve(acts.store, second, accuracy, start=1000)
    params = acts.params.model_copy(update={"automatic": ("rollback",)})
    done = replace(acts, params=params).automatic(status_of(acts))
    assert acts.registry.find_alias("champion") == (first if back else second)
    if back:
        assert done[0] == f"rolled back to {first}"
        assert "under the champion before" in done[1]
        assert lines(acts)[-1] == ("rollback", first)
        detail = acts.store.events(1)[0].detail
        assert detail["former"] == second
        assert str(detail["published"]).startswith(f"champion {first}")
    else:
        assert done == []


def test_one_promoted_before_anything_was_compared_is_held_against_all_that_was_audited(
    acts: Acts, versions: tuple[str, str]
) -> None:
    first, second = versions
    serve(acts.store, first, 0.8)
    acts.start(second, "challenger", 0.5)
    acts.promote(second, status_of(acts), "we are sure")
    [promoted] = acts.store.events(1, "promotion")
    low, high = promoted.detail["former_accuracy"]["category"]
    assert 0.7 < low < 0.8 < high < 0.9
    serve(acts.store, second, 0.5, start=1000)
    params = acts.params.model_copy(update={"automatic": ("rollback",)})
    assert replace(acts, params=params).automatic(status_of(acts))[0] == f"rolled back to {first}"


def test_what_was_promoted_against_the_gate_by_hand_is_rolled_back_as_well(
    acts: Acts, versions: tuple[str, str]
) -> None:
    first, second = versions
    serve(acts.store, first, 0.8)
    asked = parse([second, "--as", "champion", "--override", "it has to be live today"])
    obey_promote(asked, acts.registry, acts.bundles, acts.store, "anna", acts.check)
    serve(acts.store, second, 0.5, start=1000)
    params = acts.params.model_copy(update={"automatic": ("rollback",)})
    done = replace(acts, params=params).automatic(status_of(acts))
    assert done[0] == f"rolled back to {first}"
    assert "under the champion before" in done[1]


def test_a_champion_that_nothing_was_shown_before_is_not_judged_by_it(acts: Acts) -> None:
    assert acts.find_regress() == []


# The command ----------------------------------------------------------------------------------


def run_command(acts: Acts, *arguments: str) -> str:
    return obey(make_parser().parse_args(arguments), acts)


def test_the_command_line_starts_shows_and_ends_experiments(
    acts: Acts, versions: tuple[str, str], tmp_path: Path
) -> None:
    second = versions[1]
    told = run_command(acts, "start", second, "--shadow", "--fraction", "0.5")
    assert told.startswith(f"started {second} as shadow\n")
    assert run_command(acts, "start", second, "--share", "0.2").startswith(
        f"started {second} as challenger\n"
    )
    measured = tmp_path / "measured.json"
    measured.write_text(
        json.dumps({versions[0]: {"p95_ms": 10}, second: {"p95_ms": 90}}), encoding="utf-8"
    )
    told = run_command(acts, "status", "--auto", "--json", "--metrics", str(measured))
    (experiment,) = json.loads(told)["experiments"]
    assert experiment["verdict"]["outcome"] == "worse"
    assert experiment["verdict"]["reasons"][0].startswith("latency is broken: p95 90 ms")
    assert "no experiment is running" in run_command(acts, "status", "--auto")
    run_command(acts, "start", second)
    assert run_command(acts, "promote", second, "--override", "asked").startswith("promoted ")
    with pytest.raises(ModelError, match="is the champion"):
        run_command(acts, "stop", second)


@pytest.mark.parametrize("option", [("stop", "--reason"), ("promote", "--override")])
def test_an_empty_reason_is_none(option: tuple[str, str]) -> None:
    with pytest.raises(SystemExit):
        make_parser().parse_args([option[0], "invented-00000000", option[1], " "])


def test_the_command_reads_params_and_stores(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "params.yaml").write_text("dataset: invented\nseed: 1\n")
    url = "sqlite:///store.db"
    command.main(["--url", url, "status"])
    assert "nobody is champion" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"stop: .*invented-00000000 is no challenger or shadow"):
        command.main(["--url", url, "--actor", "anna", "stop", "invented-00000000"])
    store = open_sql_store(url)
    assert store.events() == []
    store.close()
