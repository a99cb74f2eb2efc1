"""The command `python -m pipelines.monitor`, from its arguments to files and exit codes."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from data.errors import DataError
from data.locks import exclusive
from data.sql import open_sql_store
from models.publishing import FolderStore
from pipelines import monitor
from pipelines.monitor_acts import MonitorReport
from tests.conftest import ROOT
from tests.pipelines.monitoring import World, champion_alone, drift_report, empty_window
from tests.serving.arm_fakes import NOW, A


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An installation in a folder of its own, which the command runs in."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("TICKETS_STORE", url)
    monkeypatch.setenv("TICKETS_BUNDLE_STORE", str(tmp_path / "published"))
    world = World(open_sql_store(url), FolderStore(tmp_path / "published"))
    champion_alone(world.bundles)
    yield world
    world.store.close()


def command(world: World, *arguments: str) -> int:
    return monitor.main(["--url", f"sqlite:///{Path.cwd() / 'store.db'}", "--actor", "clock",
                         *arguments], clock=lambda: world.now)  # fmt: skip


def test_an_alert_is_exit_code_3_and_the_next_run_is_calm(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.answer(150, wrong=45)
    assert command(world) == 3
    told = capsys.readouterr().out
    assert f"ALERT alert.certificate: {A} category printer lost its certificate" in told
    assert world.withheld() == {"printer"}
    folder = Path("evaluation/reports/monitor")
    first = folder / "20261123T120000Z.json"
    assert MonitorReport.model_validate_json(first.read_bytes()).champion == A
    assert (folder / "latest.json").read_bytes() == first.read_bytes()
    world.later(hours=1)
    assert command(world) == 0
    assert "ALERT" not in capsys.readouterr().out
    assert json.loads((folder / "latest.json").read_bytes())["alerts"] == []
    assert [path.name for path in sorted(folder.iterdir())] == [
        "20261123T120000Z.json",
        "20261123T130000Z.json",
        "latest.json",
    ]


def test_a_dry_run_tells_all_and_leaves_no_trace(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.answer(150, wrong=45)
    assert command(world, "--dry-run") == 3
    report = MonitorReport.model_validate_json(capsys.readouterr().out)
    assert [alert.label for alert in report.alerts] == ["printer"]
    assert world.withheld() == set()
    assert world.store.events() == []
    assert not Path("evaluation").exists()


def test_figures_may_begin_at_a_moment(world: World) -> None:
    world.answer(150, wrong=45)
    assert command(world, "--since", "2026-11-24") == 0
    assert command(world, "--since", "2026-11-23") == 3


def test_a_bundle_without_a_reference_is_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.answer_some()
    assert command(world, "--window", "2w") == 0
    assert "Drift cannot be looked at" in capsys.readouterr().out


def test_a_page_of_the_drift_lies_beside_the_report_where_one_was_looked_for(
    world: World, tmp_path: Path
) -> None:
    report, _ = world.monitoring.look()
    few = drift_report("nothing", enough=False)
    path = monitor.write(report, (few, empty_window(), empty_window()), tmp_path / "reports")
    assert "Too few tickets to judge" in path.with_suffix(".html").read_text()


def test_a_class_is_restored_by_command(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.answer(150, wrong=45)
    command(world)
    world.later(hours=1)
    capsys.readouterr()
    asked = ("restore", "category", "printer", "--reason", "labels were corrected")
    assert command(world, *asked) == 0
    assert capsys.readouterr().out.startswith(f"restored {A} category printer\n")
    assert world.withheld() == set()
    [event] = world.lines("certificate.restored")
    assert (event.actor, event.at) == ("clock", NOW + timedelta(hours=1))
    with pytest.raises(SystemExit, match=r"monitor: .* does not withhold category printer"):
        command(world, *asked)


def test_two_never_run_at_once(world: World) -> None:
    running = pytest.raises(SystemExit, match="monitor is running already, as process")
    with exclusive("monitor"), running:
        command(world)


@pytest.mark.parametrize(
    ("told", "hours"), [("12h", 12), ("7d", 168), ("2w", 336), ("0d", None), ("7", None)]
)
def test_a_window_is_a_number_and_a_unit(told: str, hours: int | None) -> None:
    if hours is not None:
        assert monitor.read_span(told) == timedelta(hours=hours)
        return
    with pytest.raises(DataError, match="is no span of time"):
        monitor.read_span(told)


def test_a_window_that_is_none_ends_the_command(world: World) -> None:
    with pytest.raises(SystemExit, match="monitor: 'ever' is no span"):
        command(world, "--window", "ever")
