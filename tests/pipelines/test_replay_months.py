"""Months are counted against what is known, kept one by one, and gone on with."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from data.errors import DataError
from data.sql import open_sql_store
from data.store import Event
from evaluation.drift_report import DriftReport, Rules, WindowFacts
from evaluation.replay_records import Happened, Played, Promotion, Verdict
from pipelines import replay, replay_months
from pipelines.replay_commands import Ended
from pipelines.replay_looks import Looked, look, read_events
from pipelines.replay_months import LEARNING, WATCHING, compare, count, play
from pipelines.replay_params import read_profile
from pipelines.replay_service import Told
from pipelines.replay_state import read_state
from pipelines.replay_tickets import Known, Month, Story
from pipelines.replay_workspace import Workspace

CALM = Verdict(enough=True, drifted=False, action="nothing")
PROFILE = read_profile("quick").model_copy(update={"retrain_every": 2, "retrain_apart": 1})


def report(action: str = "nothing", **more: Any) -> DriftReport:
    window = WindowFacts(name="w", tickets=4)
    facts = {"reference": window, "current": window, "enough": True, "rules": Rules(), **more}
    return DriftReport.model_validate({**facts, "action": action})


def month(number: int) -> Month:
    name = f"2011-0{number}"
    labels = ("cloud", "cloud", "library", "library")
    known = (Known(f"{name}-{i}", f"text {i}", label, name, None) for i, label in enumerate(labels))
    return Month(name, tuple(known))


STORY = Story("kind", month(1).tickets, (month(2), month(3), month(4)))


def told(of: Month, labels: Sequence[str], automatic: Sequence[bool], bundle: str = "b-1"):
    return [
        Told(ticket.id, f"p-{ticket.id}", label, auto, bundle)
        for ticket, label, auto in zip(of.tickets, labels, automatic, strict=True)
    ]


def test_a_month_is_counted_against_what_is_known() -> None:
    one = month(2)
    answers = told(one, ["cloud", "library", "library", "cloud"], [True, True, False, False])
    found = count(one, "loop", answers, 3, CALM)
    assert (found.tickets, found.right, found.automatic, found.automatic_right) == (4, 2, 2, 1)
    assert (found.bundle, found.answers) == ("b-1", 3)


def test_arms_are_compared_ticket_by_ticket() -> None:
    one, auto = month(2), [True] * 4
    loop = told(one, ["cloud", "cloud", "cloud", "library"], auto)
    fixed = told(one, ["library", "library", "library", "library"], auto)
    apart = compare(one, loop, fixed)
    assert (apart.tickets, apart.only_loop, apart.only_fixed) == (4, 2, 1)


class Client:
    """Answers `cloud` to everything, and remembers what it was asked."""

    def __init__(self) -> None:
        self.target = "kind"
        self.asked: list[str] = []
        self.stops_at: str | None = None

    def predict(self, tickets: Sequence[Known]) -> list[Told]:
        if tickets[0].month == self.stops_at:
            raise DataError("the machine went down")
        self.asked.append(tickets[0].month)
        return [Told(t.id, f"p-{t.id}", "cloud", True, "b-1") for t in tickets]

    def shadows(self, since: str) -> dict[str, Told]:
        return {"p-2011-03-2": Told("2011-03-2", "s", "library", False, "b-0")}


class People:
    def __init__(self, *_: object) -> None: ...

    def answer(self, desk: object, since: str, most: int, *, queue: bool) -> int:
        return 2 if queue else 1

    def label(self, desk: object, predictions: Sequence[str]) -> int:
        return len(predictions)


class Loop:
    learned: ClassVar[list[str]] = []

    def __init__(self, *_: object) -> None: ...

    def follow(self) -> None: ...

    def learn(self, name: str) -> tuple[list[Happened], Promotion | None]:
        Loop.learned.append(name)
        entered = Happened(month=name, action="label.entered", subject="web", reasons=())
        first = len(Loop.learned) == 1
        promotion = Promotion(month=name, version="b-2", former="b-1", gate=())
        return [entered], promotion if first else None


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    Loop.learned = []

    @contextmanager
    def served(*_: object) -> Iterator[Client]:
        yield client

    def looked(space: object, arms: Sequence[str], *_: object) -> Looked:
        name = str(_[-1])
        seen = report("relabel", to_label=("p-1", "p-2")) if name == "2011-03" else report()
        return Looked(dict.fromkeys(arms, seen), False)

    monkeypatch.setattr(replay_months, "served", served)
    monkeypatch.setattr(Workspace, "warm", lambda self, number: nullcontext())
    monkeypatch.setattr(replay_months, "look", looked)
    monkeypatch.setattr(replay_months, "read_events", lambda *_: [])
    monkeypatch.setattr(replay_months, "People", People)
    monkeypatch.setattr(replay_months, "Loop", Loop)
    return client


def fresh() -> Played:
    return Played(scenario="real", dataset="d", target="kind", first=4, planned=3)


def test_the_loop_learns_after_an_alert_and_goes_on_where_it_was_stopped(
    client: Client, tmp_path: Path
) -> None:
    state = tmp_path / "state.json"
    client.stops_at = "2011-04"
    steps: list[int] = []
    with pytest.raises(DataError, match="went down"):
        play(Workspace(tmp_path), STORY, PROFILE, fresh(), LEARNING, state, steps.append)
    assert steps == [1, 1]
    begun = read_state(state, fresh())
    assert begun.done == 2
    assert Loop.learned == ["2011-03"]
    client.stops_at = None
    done = play(Workspace(tmp_path), STORY, PROFILE, begun, LEARNING, state, steps.append)
    assert (done.done, len(done.months), len(done.apart)) == (3, 6, 3)
    assert client.asked == ["2011-02"] * 2 + ["2011-03"] * 2 + ["2011-04"] * 2
    assert [month.answers for month in done.months if month.arm == "loop"] == [2, 4, 2]
    assert [month.answers for month in done.months if month.arm == "fixed"] == [0, 0, 0]
    assert [one.version for one in done.promotions] == ["b-2"]
    assert done.retrained == 2
    pair = done.pairs[0]
    assert (pair.ticket, pair.truth, pair.label) == ("2011-03-2", "library", "cloud")
    assert (pair.former_label, pair.former_automatic) == ("library", False)
    assert play(Workspace(tmp_path), STORY, PROFILE, done, LEARNING, state, steps.append) is done


def test_a_control_is_watched_and_learns_nothing(client: Client, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    done = play(Workspace(tmp_path), STORY, PROFILE, fresh(), WATCHING, state, lambda _: None)
    assert Loop.learned == []
    assert (len(done.months), done.apart, done.pairs) == (3, (), ())
    assert [month.drift.action for month in done.months] == ["nothing", "relabel", "nothing"]


class Looking(Workspace):
    """A workspace whose drift command writes a report, and whose commands may fail."""

    fails = ""

    def command(self, arm: str, name: str, *arguments: str) -> Ended:
        if name == self.fails:
            return Ended(1, "", "")
        if name == "drift":
            place = Path(arguments[arguments.index("--output") + 1]).with_suffix(".json")
            place.parent.mkdir(parents=True, exist_ok=True)
            action = "retrain" if arm == "fixed" else "nothing"
            place.write_text(report(action).model_dump_json())
        return Ended(3 if name == "monitor" else 0, "", "")


def test_every_arm_is_looked_at_and_one_is_watched(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    found = look(Looking(tmp_path), ["loop", "fixed"], "loop", now, now, "month 001")
    assert found.alerted
    assert {arm: one.action for arm, one in found.drift.items()} == {
        "loop": "nothing", "fixed": "retrain",
    }  # fmt: skip
    assert not look(Looking(tmp_path), ["fixed"], None, now, now, "m").alerted


@pytest.mark.parametrize("name", ["drift", "monitor", "experiment"])
def test_a_look_that_fails_stops_the_replay(tmp_path: Path, name: str) -> None:
    space, now = Looking(tmp_path), datetime.now(UTC)
    space.fails = name
    with pytest.raises(DataError, match=f"{name} of loop failed"):
        look(space, ["loop"], "loop", now, now, "m")


def test_events_are_read_since_a_moment_without_those_every_look_writes(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    space.arm_folder("loop").mkdir(parents=True)
    moments = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (1, 2, 3, 4)]
    actions = ["alert.drift", "drift.checked", "alert.drift", "promotion"]
    store = open_sql_store(space.store_url("loop"))
    for at, action in zip(moments, actions, strict=True):
        detail = {"reasons": ["so"]} if action == "promotion" else {}
        store.log(Event.model_validate(
            {"at": at, "actor": "a", "action": action, "subject": "b-1", "detail": detail}
        ))  # fmt: skip
    store.close()
    found = read_events(space, "loop", "2011-02", moments[1])
    assert [(one.action, one.reasons) for one in found] == [
        ("alert.drift", ()), ("promotion", ("so",)),
    ]  # fmt: skip


@pytest.fixture
def played_scenarios(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Scenarios as they are played, each of them at once."""
    names: list[str] = []

    def at_once(
        space: Workspace, story: Story, profile: object, begun: Played, arms: Sequence[str],
        state: Path, advance: Callable[[int], None],
    ) -> Played:  # fmt: skip
        names.append(begun.scenario)
        state.parent.mkdir(parents=True, exist_ok=True)
        done = begun.model_copy(update={"done": begun.planned})
        state.write_text(done.model_dump_json())
        return done

    monkeypatch.setattr(replay, "play", at_once)
    monkeypatch.setattr(replay, "set_out", lambda root, *_: Workspace(root))
    monkeypatch.setattr(Workspace, "learn_first", lambda self, arms: "b-1")
    return names


def test_scenarios_are_played_once_and_told_together(
    played_scenarios: list[str], tmp_path: Path
) -> None:
    stories = {"real": ("d", STORY), "shuffled": ("d", STORY)}
    kept: list[dict[str, Played]] = []
    for wanted in (["shuffled"], ["real", "shuffled"], ["real"]):
        replay.replay(stories, wanted, PROFILE, tmp_path, tmp_path, kept.append)
    assert played_scenarios == ["shuffled", "real"]
    assert [(name, one.done) for name, one in kept[0].items()] == [("real", 0), ("shuffled", 3)]
    assert [one.done for one in kept[-1].values()] == [3, 3]


def test_the_command_writes_what_was_shown(
    played_scenarios: list[str], repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(__file__).parent.parent.parent
    (repository / "pipelines/profiles").mkdir(parents=True)
    text = (root / "pipelines/profiles/replay.yaml").read_text()
    profile = text.replace("{shuffled: 24, other: 24}", "{shuffled: 2, other: 0}")
    (repository / "pipelines/profiles/replay.yaml").write_text(profile)
    (repository / "params.yaml").write_text((root / "params.yaml").read_text())
    (repository / "data").mkdir()
    (repository / "data/catalog.yaml").write_text((root / "data/catalog.yaml").read_text())
    tickets = [
        Known(f"{year}-{n}", f"text {n}", "cloud", f"{year}-{n:02}", f"{year}-{n:02}-01")
        for year in (2009, 2010, 2011) for n in range(1, 13)
    ]  # fmt: skip
    monkeypatch.setattr(replay, "fetch_known", lambda *_: tickets)
    monkeypatch.setattr(replay, "find_mirror", lambda root: None)
    assert replay.main([]) == 0
    told = json.loads((repository / replay.JSON).read_text())
    assert told["complete"]
    assert told["real"]["months_planned"] == 12
    assert (repository / replay.PAGE).exists()
    assert replay.main(["--only", "other"]) == 1
    assert replay.main(["--only", "real", "--fresh"]) == 0
    assert played_scenarios == ["real", "shuffled", "real"]
