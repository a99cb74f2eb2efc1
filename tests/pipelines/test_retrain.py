"""A retrain goes from collecting to a challenger, or says why not, and can be begun again."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from data.errors import DataError
from data.locks import exclusive
from pipelines import retrain as command
from pipelines.collect import Collected
from pipelines.params import Params
from pipelines.reproduction import StageDone
from pipelines.retrain import LOCK, Registered, Retrained, find_interrupted, render, retrain
from tests.stores import NOON, MemoryStore


class Played:
    """Steps that do nothing but remember that they were taken."""

    def __init__(self, part: Any = None, passed: bool = True, lines: Sequence[str] = ()) -> None:
        self.part = part
        self.passed = passed
        self.lines = lines
        self.batch: str | None = "batch-1"
        self.taken: list[str] = []

    def collect(self) -> Collected:
        self.taken.append("collect")
        return Collected(self.batch, {"rows": 3})

    def carry_over(self) -> bool:
        self.taken.append("carry over")
        return True

    def reproduce(self) -> Iterable[str]:
        self.taken.append("reproduce")
        yield from self.lines

    def register(self) -> Registered:
        self.taken.append("register")
        return Registered("bundle-2", self.part)

    def decide(self, version: str) -> tuple[bool, Sequence[str]]:
        self.taken.append("decide")
        return self.passed, ["as the rules say"]

    def challenge(self, version: str) -> None:
        self.taken.append(f"challenge {version}")


def run(steps: Played, store: MemoryStore | None = None) -> Retrained:
    seconds = count()
    clock = lambda: NOON + timedelta(seconds=next(seconds))  # noqa: E731
    return retrain(steps, store or MemoryStore(), "anna", clock)


def test_a_candidate_that_passes_competes() -> None:
    store, steps = MemoryStore(), Played(lines=["Running stage 'prepare':"])
    done = run(steps, store)
    assert steps.taken == [
        "collect", "carry over", "reproduce", "register", "decide", "challenge bundle-2",
    ]  # fmt: skip
    assert (done.outcome, done.batch) == ("challenger", "batch-1")
    assert [stage.stage for stage in done.stages] == ["prepare"]
    (event,) = store.events(action="retrain.finished")
    assert event.subject == "bundle-2"
    assert event.detail["reasons"] == ["as the rules say"]
    assert find_interrupted(store) is None


def test_fits_are_not_carried_over_where_nothing_was_collected() -> None:
    steps = Played()
    steps.batch = None
    run(steps)
    assert "carry over" not in steps.taken


def test_a_candidate_that_is_refused_does_not_and_says_why() -> None:
    steps = Played(passed=False)
    done = run(steps)
    assert done.outcome == "refused"
    assert "challenge bundle-2" not in steps.taken
    assert "as the rules say" in render(done)


@pytest.mark.parametrize(
    ("part", "outcome"),
    [("first champion", "champion"), ("champion", "unchanged"), ("challenger", "unchanged")],
)
def test_a_candidate_with_a_part_is_not_judged_again(part: str, outcome: str) -> None:
    steps = Played(part=part)
    assert run(steps).outcome == outcome
    assert "decide" not in steps.taken


def test_a_failure_is_logged_and_told() -> None:
    class Broken(Played):
        def reproduce(self) -> Iterable[str]:
            yield "Running stage 'prepare':"
            raise DataError("the disk is full")

    store = MemoryStore()
    with pytest.raises(DataError, match="disk is full"):
        run(Broken(), store)
    detail = store.events(action="retrain.finished")[0].detail
    assert detail["outcome"] == "failed"
    assert detail["stages"][0]["state"] == "failed"  # type: ignore[index, call-overload]


def test_one_that_was_killed_is_gone_on_with() -> None:
    class Killed(Played):
        def register(self) -> Registered:
            raise KeyboardInterrupt

    store = MemoryStore()
    with pytest.raises(KeyboardInterrupt):
        run(Killed(), store)
    assert find_interrupted(store) is not None
    run(Played(), store)
    reasons = [event.detail["reasons"] for event in store.events(action="retrain.started")]
    assert ["goes on with the retrain begun at 2026-11-25 12:00 UTC"] in reasons


def test_what_came_of_it_is_told_with_what_was_reused() -> None:
    stages = (StageDone(stage="readers", state="reused", seconds=0.1),)
    done = Retrained(outcome="refused", candidate=None, reasons=("no",), stages=stages)
    assert "1 of 1 stages were not run again" in render(done)
    assert "nothing new" in render(done)


@pytest.mark.parametrize(("outcome", "status"), [("challenger", 0), ("refused", 3)])
def test_the_command_tells_by_its_exit_status(
    repository, monkeypatch: pytest.MonkeyPatch, capsys, outcome: str, status: int
) -> None:
    from tests.walk import ROOT

    (repository / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.setenv("TICKETS_STORE", "sqlite:///store.db")
    monkeypatch.setattr(command, "OnThisMachine", lambda *_: Played(passed=status == 0))
    assert command.main(["--actor", "anna"]) == status
    assert outcome in capsys.readouterr().out
    with exclusive(LOCK):
        assert command.main([]) == 1


@pytest.mark.parametrize(
    ("before", "after", "rivals", "part"),
    [
        (None, "bundle-2", [], "first champion"),
        ("bundle-2", "bundle-2", [], "champion"),
        ("bundle-1", "bundle-1", ["bundle-2"], "challenger"),
        ("bundle-1", "bundle-1", [], None),
    ],
)
def test_the_steps_here_tell_what_part_a_candidate_has(
    here: "Here", before: str | None, after: str, rivals: list[str], part: str | None
) -> None:
    here.champions = [before, after]
    here.rivals = rivals
    assert here.steps.register() == Registered("bundle-2", part)


def test_the_steps_here_are_those_of_the_commands(here: "Here") -> None:
    assert here.steps.collect().batch == "batch-1"
    assert list(here.steps.reproduce()) == ["a line"]
    here.champions = ["bundle-1"]
    assert here.steps.decide("bundle-2") == (True, ("all rules hold",))
    assert here.kept == [("bundle-2", "bundle-1", "anna")]
    here.steps.challenge("bundle-2")
    assert here.promoted == [("bundle-2", "challenger", 0.2)]
    (event,) = here.store.events(action="experiment.started")
    assert (event.subject, event.detail["share"]) == ("bundle-2", 0.2)


class Here:
    """The steps of this machine, with the commands they call played."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = MemoryStore()
        self.champions: list[str | None] = []
        self.rivals: list[str] = []
        self.kept: list[tuple[str, str | None, str]] = []
        self.promoted: list[tuple[str, str, float]] = []
        played = {
            "open_store": lambda: self,
            "champion_of": lambda _: self.champions.pop(0),
            "collect_here": lambda *_: Collected("batch-1"),
            "reproduce": lambda _: ["a line"],
            "register": lambda *_: SimpleNamespace(version="bundle-2"),
            "find_bundle": lambda version, _: version,
            "decide_now": self._decide,
            "keep": lambda decision, _, __, actor, ___: self.kept.append(
                (decision.candidate, decision.champion, actor)
            ),
            "promote": lambda _, __, *asked: self.promoted.append(asked),
        }
        for name, function in played.items():
            monkeypatch.setattr(command, name, function)
        monkeypatch.setattr(command.Registry, "open", lambda *_: None)
        params = Params.model_validate({"dataset": "sample", "seed": 1})
        self.steps = command.OnThisMachine(self.store, params, 0.2, "anna")

    def find_deployment(self) -> SimpleNamespace:
        return SimpleNamespace(challengers=[SimpleNamespace(version=one) for one in self.rivals])

    def _decide(self, candidate: str, champion: str, *_: Any, at: Any) -> SimpleNamespace:
        return SimpleNamespace(
            passed=True, reasons=("all rules hold",), candidate=candidate, champion=champion
        )


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(monkeypatch)
