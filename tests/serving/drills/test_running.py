"""Rows, reports and the command, with drills that break nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.deployment import Arm, Deployment
from models.publishing import FolderStore
from serving.bench.workplace import Workplace
from serving.drills import __main__ as command
from serving.drills import running
from serving.drills.catalogue import DRILLS
from serving.drills.drill import Drill, Finding
from serving.drills.lookup import Missing
from serving.drills.running import row_of
from serving.drills.stage import DrillError, LackingError, Stage, until
from tests.serving.drills.stand_in import StandIn

DRILL = Drill("invented", "nothing happens", lambda stage: Finding())


def test_a_loss_that_the_promise_gives_up_is_told_and_allowed(tmp_path: Path) -> None:
    stage = StandIn(tmp_path)
    stage.answers(3)
    missing = Missing(frozenset({"p0", "p1"}), frozenset())
    row = row_of(DRILL, stage, Finding(["seen"], may_lose={"p0", "p1", "p2"}), missing, 1.0)
    assert (row.records_acknowledged, row.records_lost, row.loss_allowed) == (3, 2, 2)
    assert row.held


@pytest.mark.parametrize(
    "missing",
    [Missing(frozenset({"p0"}), frozenset({"k"})), Missing(frozenset({"p1"}), frozenset())],
    ids=["feedback", "another prediction"],
)
def test_any_other_loss_breaks_it(tmp_path: Path, missing: Missing) -> None:
    row = row_of(DRILL, StandIn(tmp_path), Finding(may_lose={"p0"}), missing, 1.0)
    assert not row.held
    assert row.broken == ("1 acknowledged records are nowhere",)


def test_what_is_left_on_disk_breaks_it(tmp_path: Path) -> None:
    stage, finding = StandIn(tmp_path), Finding(patience=0.1)
    (stage.folder / "store.db").mkdir()
    stage.ledger.took("k", "spooled")
    missing = running.settled(stage, finding)
    assert missing.feedback == {"k"}
    assert finding.broken[0].startswith("the store did not come back")


def lacking(stage: Stage) -> None:
    raise LackingError("no such program")


def impossible(stage: Stage) -> None:
    raise DrillError("it does not break")


@pytest.fixture
def store(sealed: Path, tmp_path: Path) -> Path:
    store = FolderStore(tmp_path / "published")
    store.add(sealed)
    version = next(path.name for path in store.root.iterdir())
    store.deploy(Deployment(champion=Arm(version=version), published_at=datetime.now(UTC)))
    return store.root


def test_what_a_machine_lacks_is_told_and_is_no_failure(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DRILLS, "lacking", Drill("lacking", "-", DRILL.act, lacking))
    monkeypatch.setitem(DRILLS, "impossible", Drill("impossible", "-", DRILL.act, impossible))
    output = tmp_path / "faults.json"
    usual = ["--store", str(store), "--work", str(tmp_path / "work"), "--output", str(output)]
    assert command.main(["lacking", *usual]) == command.KEPT
    assert command.main(["impossible", *usual]) == command.UNKNOWN
    assert json.loads(output.read_text())["not_run"] == {
        "lacking": "no such program", "impossible": "it does not break",
    }  # fmt: skip


def test_a_store_without_a_champion_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = ["--store", str(tmp_path), "--work", str(tmp_path / "work")]
    assert command.main(usual) == command.UNKNOWN
    assert "nothing is published" in capsys.readouterr().err


def test_the_list_tells_every_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == command.KEPT
    told = capsys.readouterr().out
    assert all(f"{drill.name}: {drill.promise}\n" in told for drill in DRILLS.values())


@pytest.mark.parametrize("names", [["nonsense"], ["soak", "worker-killed"]])
def test_names_that_make_no_sense_are_refused(names: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(names)


def test_waiting_ends() -> None:
    assert until(lambda: True, "it is so") < 1
    with pytest.raises(DrillError, match=r"it is so: not within 0\.1 s"):
        until(lambda: False, "it is so", 0.1)


def test_a_stage_follows_its_settings(tmp_path: Path) -> None:
    stage = Stage(Workplace(tmp_path, "a-00000000"), tmp_path / "here")
    assert stage.kept.spool == tmp_path / "here" / "spool"
    assert stage.bundles.root == tmp_path / "store"
    stage.settings |= {"TICKETS_SPOOL": "/elsewhere", "TICKETS_BUNDLE_STORE": "/others"}
    assert stage.kept.spool == Path("/elsewhere")
    assert stage.bundles.root == Path("/others")
    with pytest.raises(DrillError, match="nothing was started"):
        _ = stage.server
