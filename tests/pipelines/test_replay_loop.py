"""When the loop retrains, and what it does with what was said."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from data.errors import DataError
from data.feedback_files import FEEDBACK, FeedbackFiles
from data.feedback_rows import FeedbackRow, Scope
from evaluation.gate_decision import GateDecision, Rule
from evaluation.replay_records import Played
from models.deployment import Arm, Challenger, Deployment, Shadow
from models.publishing import FolderStore
from pipelines.replay_commands import Ended
from pipelines.replay_loop import Loop, is_due
from pipelines.replay_params import read_profile
from pipelines.replay_workspace import Workspace
from tests.feedback import make_row

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROFILE = read_profile("quick").model_copy(update={"retrain_apart": 4, "retrain_every": 6})
OLD, NEW, OLDER = "desk-00000001", "desk-00000002", "desk-00000000"


def played(done: int, alerted: bool) -> Played:
    return Played(
        scenario="real", dataset="d", target="kind", first=1, planned=99, done=done,
        retrained=0, alerted=alerted,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("done", "alerted", "due"),
    [(3, True, False), (4, True, True), (5, False, False), (6, False, True)],
)
def test_an_alert_brings_a_retrain_forward_and_never_too_soon(
    done: int, alerted: bool, due: bool
) -> None:
    assert is_due(played(done, alerted), PROFILE) is due


class Desk(Workspace):
    """A workspace whose commands are noted, and do what is told of them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[tuple[str, ...]] = []
        self.said = ""
        self.refuses = False
        self.codes: dict[str, int] = {}

    @property
    def bundles(self) -> FolderStore:
        return FolderStore(self.arm_folder("loop") / "published")

    def deploy(self, champion: str, challenger: str | None = None, shadow: str | None = None):
        self.bundles.deploy(
            Deployment(
                champion=Arm(version=champion),
                challengers=(Challenger(version=challenger, share=0.1),) if challenger else (),
                shadows=(Shadow(version=shadow),) if shadow else (),
                published_at=NOW,
            )
        )

    def command(self, arm: str, name: str, *arguments: str) -> Ended:
        self.asked.append((name, *arguments))
        if name == "experiment" and arguments[0] == "promote" and not self.refuses:
            self.deploy(arguments[1], shadow=OLDER)
        return Ended(self.codes.get(name, 0), self.said, "")


class Client:
    target = "category"

    def __init__(self) -> None:
        self.waited: list[str] = []

    def wait_for(self, version: str) -> None:
        self.waited.append(version)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.bundles.root.mkdir(parents=True)
    (tmp_path / "data").mkdir()
    entry = {"replay": {"labels": {"category": ["network", "printer"]}}}
    (tmp_path / "data/catalog.yaml").write_text(yaml.safe_dump(entry))
    return desk


def loop_of(desk: Desk) -> tuple[Loop, Client]:
    client = Client()
    profile = PROFILE.model_copy(update={"new_label": 2})
    return Loop(desk, "loop", client, profile), client  # type: ignore[arg-type]


def test_what_the_gate_let_compete_answers_and_the_former_one_watches(desk: Desk) -> None:
    desk.deploy(OLD, challenger=NEW)
    rule = Rule(name="recall of a class", passed=True, value=-0.01, limit=-0.02, why="so",
                source="test", label="network")  # fmt: skip
    decision = GateDecision(passed=True, candidate=NEW, champion=OLD, rules=(rule,),
                            reasons=("all rules hold",), at=NOW)  # fmt: skip
    desk.bundles.keep_decision(NEW, decision.to_json())
    loop, client = loop_of(desk)
    entered, promotion = loop.learn("2012-03")
    assert entered == []
    assert promotion is not None
    assert (promotion.version, promotion.former) == (NEW, OLD)
    assert promotion.gate[0].difference == -0.01
    names = [one[0] for one in desk.asked]
    assert names == ["collect", "retrain", "experiment", "promote", "promote"]
    assert desk.asked[-2:] == [("promote", OLDER, "--stop"), ("promote", OLD, "--as", "shadow")]
    assert client.waited == [NEW]


def test_where_the_gate_refused_nothing_changes(desk: Desk) -> None:
    desk.deploy(OLD)
    desk.codes = {"retrain": 3}
    assert loop_of(desk)[0].learn("2012-03") == ([], None)
    assert [one[0] for one in desk.asked] == ["collect", "retrain"]


def test_a_challenger_that_cannot_be_promoted_stops_competing(desk: Desk) -> None:
    desk.deploy(OLD, challenger=NEW)
    desk.refuses = True
    assert loop_of(desk)[0].learn("2012-03")[1] is None
    assert desk.asked[-1][:3] == ("experiment", "stop", NEW)


def test_a_retrain_that_fails_stops_the_replay(desk: Desk) -> None:
    desk.deploy(OLD)
    desk.codes = {"retrain": 1}
    with pytest.raises(DataError, match="retrain of loop ended with 1"):
        loop_of(desk)[0].learn("2012-03")


def test_nobody_answering_is_an_error(desk: Desk) -> None:
    with pytest.raises(DataError, match="nobody answers"):
        loop_of(desk)[0].follow()


def proposals(label: str, n: int) -> list[FeedbackRow]:
    return [make_row(i, label=label, text=f"ticket {i} about {label}") for i in range(n)]


def test_labels_that_enough_people_proposed_enter_with_what_trying_them_told(desk: Desk) -> None:
    desk.deploy(OLD)
    rows = [*proposals("scanner", 3), *proposals("phone", 1), *proposals("network", 5)]
    FeedbackFiles(desk.root / FEEDBACK).add({"proposals": rows}, "replay", NOW)
    desk.said = "category: scanner\n  3 tickets by 1 authors\n  fewer\ncategory: phone\n  other\n"
    entered, _ = loop_of(desk)[0].learn("2012-03")
    assert [(one.action, one.subject) for one in entered] == [("label.entered", "scanner")]
    assert entered[0].reasons == ("3 tickets by 1 authors", "fewer")
    found = yaml.safe_load((desk.root / "data/catalog.yaml").read_text())
    assert found["replay"]["labels"]["category"] == ["network", "printer", "scanner"]
    assert ("feedback", "labels", "--rows", "4000") in desk.asked


def test_what_waits_for_a_person_is_released(desk: Desk) -> None:
    desk.deploy(OLD)
    files = FeedbackFiles(desk.root / FEEDBACK)
    batch = files.add({"rows": [make_row(1)]}, "replay", NOW)
    files.quarantine(batch.name, Scope(), ["a flood"], "replay", NOW)
    loop_of(desk)[0].learn("2012-03")
    released = [one for one in desk.asked if one[0] == "feedback"]
    assert released[0][:3] == ("feedback", "release", batch.name)
    assert json.dumps(released)
