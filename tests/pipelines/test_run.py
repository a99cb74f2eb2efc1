"""Every stage is measured, recorded and tracked, and never stopped by the tracking."""

import json
import logging
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from data.log_lines import MAX_FOREIGN
from pipelines import run
from pipelines.environment import QUIET
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def restore(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a stage sets for its process is undone for the next test."""
    before = dict(os.environ)
    quiet = {name: logging.getLogger(name).level for name in QUIET}
    yield
    logging.captureWarnings(False)
    for name, level in quiet.items():
        logging.getLogger(name).setLevel(level)
    sys.excepthook = sys.__excepthook__
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def untracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TICKETS_TRACKING", "off")
    return tmp_path


def only_run(repository: Path) -> Any:
    client = MlflowClient(tracking_uri=f"sqlite:///{repository}/mlflow.db")
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    [found] = client.search_runs(ids)
    return found


def test_a_stage_leaves_a_record_of_what_it_took(untracked: Path) -> None:
    with run.stage("invented", record=untracked / "a" / "record.json") as tracked:
        tracked.note(member="linear", seconds_per_fold=[1, 2])
        tracked.log_metrics({"accuracy": 0.9})
        tracked.tag(data_fingerprint="f")
    record = json.loads((untracked / "a" / "record.json").read_text())
    assert record["stage"] == "invented"
    assert record["seconds"] >= 0
    assert record["peak_mib"] > 10
    assert record["member"] == "linear"
    assert "run_id" not in record
    assert [path.name for path in untracked.iterdir()] == ["a"]


def test_a_stage_that_fails_leaves_no_record(untracked: Path) -> None:
    with (
        pytest.raises(ValueError, match="bad data"),
        run.stage("invented", record=untracked / "record.json"),
    ):
        raise ValueError("bad data")
    assert not (untracked / "record.json").exists()


def test_the_same_seed_draws_the_same_numbers(untracked: Path) -> None:
    import torch

    drawn = []
    for _ in range(2):
        with run.stage("invented", seed=7):
            drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert drawn[0] == drawn[1]


def test_a_tracked_run_holds_everything(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "train@linear")
    monkeypatch.setenv("DVC_EXP_NAME", "bold-idea")
    monkeypatch.setenv("TICKETS_CORRELATION", "0123456789abcdef")
    prepared = repository / "data" / "prepared"
    prepared.mkdir(parents=True)
    (prepared / "summary.json").write_text('{"fingerprint": "abc"}')
    with run.stage(
        "train-linear",
        record=repository / "record.json",
        params={"C": 4.0, "words": [1, 2], "near": {"threshold": 0.9}},
        tags={"member": "linear"},
    ) as tracked:
        tracked.log_metrics({"loss": 0.5}, step=1)
        tracked.log_metrics({"loss": 0.25}, step=2)
        tracked.log_figure(_figure(), "curve.png")
    found = only_run(repository)
    record = json.loads((repository / "record.json").read_text())
    assert record["run_id"] == found.info.run_id == tracked.run_id
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "train-linear"
    assert found.data.params == {"C": "4.0", "words": "[1, 2]", "near.threshold": "0.9"}
    assert found.data.metrics["loss"] == 0.25
    assert found.data.metrics["seconds"] == record["seconds"]
    assert found.data.metrics["peak_mib"] == record["peak_mib"]
    tags = found.data.tags
    assert tags["stage"] == "train-linear"
    assert tags["member"] == "linear"
    assert tags["dvc.stage"] == "train@linear"
    assert tags["dvc.exp"] == "bold-idea"
    assert tags["correlation"] == "0123456789abcdef"
    assert tags["data_fingerprint"] == "abc"
    assert list((repository / "mlartifacts").rglob("curve.png"))


def _figure() -> Any:
    from matplotlib.figure import Figure

    return Figure()


def test_a_fingerprint_given_by_the_stage_counts(repository: Path) -> None:
    prepared = repository / "prepared"
    prepared.mkdir()
    (prepared / "summary.json").write_text('{"fingerprint": "old"}')
    with run.stage("prepare", prepared=prepared) as tracked:
        tracked.tag(data_fingerprint="new")
    assert only_run(repository).data.tags["data_fingerprint"] == "new"


def test_a_stage_before_the_data_has_no_fingerprint(repository: Path) -> None:
    with run.stage("fetch", prepared=None):
        pass
    assert "data_fingerprint" not in only_run(repository).data.tags


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_stage_that_ends_badly_is_tracked_as_such(
    error: type[BaseException], status: str, repository: Path
) -> None:
    with pytest.raises(error), run.stage("invented"):
        raise error
    assert only_run(repository).info.status == status


def test_a_tracking_server_that_is_away_stops_nothing(
    repository: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with run.stage("invented", record=repository / "record.json") as tracked:
        tracked.log_metrics({"accuracy": 1.0})
    assert "this run is not tracked" in caplog.text
    assert "run_id" not in json.loads((repository / "record.json").read_text())


def test_tracking_that_is_lost_on_the_way_is_reported_once(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with run.stage("invented", record=repository / "record.json") as tracked:
        tracker = tracked._tracker
        assert tracker

        def fail(*arguments: object, **named: object) -> None:
            raise OSError("disk full")

        tracker.client.log_batch = fail  # type: ignore[method-assign]
        tracked.log_metrics({"accuracy": 1.0})
        tracked.log_metrics({"accuracy": 2.0})
    assert caplog.text.count("tracking of this run is lost") == 1
    assert (repository / "record.json").exists()


def test_the_switches_leave_what_the_user_has_set(
    untracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    run.begin()
    assert os.environ["HF_HUB_OFFLINE"] == "0"
    assert os.environ["DO_NOT_TRACK"] == "true"


COMMAND = """
import logging, warnings
from pipelines import run
words = "words of a ticket"
run.begin()
logging.getLogger("pipelines.somewhere").info("two %s", "rows\\nhere")
logging.getLogger("others").warning("first\\nsecond")
logging.getLogger("others").warning("x" * 9_000)
warnings.warn("mind this", stacklevel=1)
raise ValueError(words)
"""


def lines_of(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a command that logs, warns and fails writes."""
    (folder / "invented.py").write_text(COMMAND)
    return subprocess.run(
        [sys.executable, "-m", "invented"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_setting_makes_every_line_of_a_command_an_object(tmp_path: Path) -> None:
    name = "c" * 32
    done = lines_of(tmp_path, TICKETS_LOG_FORMAT="json", TICKETS_CORRELATION=name)
    assert (done.returncode, done.stdout) == (1, "")
    ours, others, long, warned, last = map(json.loads, done.stderr.splitlines())
    assert ours.pop("time").endswith("+00:00")
    assert ours.pop("pid") > 0
    assert ours == {
        "level": "info", "logger": "pipelines.somewhere", "command": "invented",
        "correlation": name, "message": "two rows\nhere",
    }  # fmt: skip
    assert others["message"] == "first"
    assert len(long["message"]) == MAX_FOREIGN
    assert (warned["logger"], warned["level"]) == ("py.warnings", "warning")
    assert (last["level"], last["message"]) == ("critical", "ended by ValueError")
    assert "invented.py" in last["exception"]
    assert "words of a ticket" not in done.stderr


def test_without_it_lines_are_for_people(tmp_path: Path) -> None:
    done = lines_of(tmp_path)
    assert re.match(r"\d\d:\d\d:\d\d INFO    pipelines.somewhere: two rows\n", done.stderr)
    assert done.stderr.endswith("ValueError: words of a ticket\n")


@pytest.mark.parametrize("variable", ["TICKETS_LOG_FORMAT", "TICKETS_LOG_LEVEL"])
def test_a_way_to_log_that_does_not_exist_ends_a_command_in_one_line(
    tmp_path: Path, variable: str
) -> None:
    done = lines_of(tmp_path, **{variable: "loud"})
    assert done.returncode == 1
    assert re.fullmatch(rf"{variable}: 'loud' is none of .*\n", done.stderr)
