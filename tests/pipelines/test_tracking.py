"""A process beside a stage tracks it, whatever becomes of either."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pipelines.tracked_run import serve
from pipelines.tracking import TrackerProcess

ROOT = Path(__file__).parents[2]


def only_run(repository: Path) -> Any:
    client = MlflowClient(tracking_uri=f"sqlite:///{repository}/mlflow.db")
    [found] = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return found


def lines_of(repository: Path, *told: dict[str, Any]) -> list[str]:
    first = {"what": "open", "root": str(repository), "name": "invented", "started": 5_000}
    return [json.dumps(line) for line in ({**first, "tags": {"stage": "s"}}, *told)]


def process_of(code: str) -> TrackerProcess:
    """A tracker whose other side is this code."""
    return TrackerProcess(
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )
    )  # fmt: skip


def run_stage(repository: Path, body: str) -> subprocess.CompletedProcess[str]:
    """A stage in a process of its own, which has not imported MLflow."""
    code = (
        "import os, sys; from pathlib import Path; from pipelines import run\n"
        "with run.stage('invented', record=Path('record.json'), params={'C': (1, 2)}) as told:\n"
        f"    {body}\n"
        "assert 'mlflow' not in sys.modules"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_what_is_told_is_tracked_in_order(repository: Path, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("kept")
    told = [
        {"what": "params", "params": {"near": {"threshold": 0.9}}},
        {"what": "metrics", "metrics": {"loss": 0.5}, "step": 1},
        {"what": "metrics", "metrics": {"loss": 0.25}, "step": 2},
        {"what": "file", "path": str(note)},
        {"what": "tags", "tags": {"stage": "t"}},
        {"what": "end", "status": "FINISHED"},
    ]
    answers = io.StringIO()
    serve(lines_of(repository, *told), answers)
    found = only_run(repository)
    assert json.loads(answers.getvalue()) == found.info.run_id
    assert (found.info.status, found.info.start_time) == ("FINISHED", 5_000)
    assert found.data.params == {"near.threshold": "0.9"}
    assert found.data.metrics["loss"] == 0.25
    assert found.data.tags["stage"] == "t"
    assert list((repository / "mlartifacts").rglob("note.txt"))


def test_a_run_that_nobody_ends_has_failed(repository: Path) -> None:
    serve(lines_of(repository), io.StringIO())
    assert only_run(repository).info.status == "FAILED"


def test_without_a_server_everything_is_read_and_the_answer_is_null(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    told = iter(lines_of(repository, {"what": "end", "status": "FINISHED"}))
    answers = io.StringIO()
    serve(told, answers)
    assert json.loads(answers.getvalue()) is None
    assert list(told) == []


def test_a_stage_is_tracked_without_importing_what_tracks_it(repository: Path) -> None:
    done = run_stage(repository, "told.log_metrics({'loss': 0.5}); told.tag(data_fingerprint='f')")
    assert done.returncode == 0, done.stderr
    found = only_run(repository)
    record = json.loads((repository / "record.json").read_text())
    assert record["run_id"] == found.info.run_id
    assert found.info.status == "FINISHED"
    assert found.data.params == {"C": "[1, 2]"}
    assert found.data.metrics == {
        "loss": 0.5, "seconds": record["seconds"], "peak_mib": record["peak_mib"],
    }  # fmt: skip
    assert found.data.tags["data_fingerprint"] == "f"


def test_the_run_of_a_stage_that_is_killed_has_failed(repository: Path) -> None:
    assert run_stage(repository, "os.kill(os.getpid(), 9)").returncode == -9
    until = time.monotonic() + 120
    while time.monotonic() < until:
        client = MlflowClient(tracking_uri=f"sqlite:///{repository}/mlflow.db")
        found = client.search_runs([e.experiment_id for e in client.search_experiments()])
        if found and found[0].info.status == "FAILED":
            return
        time.sleep(0.2)
    raise AssertionError("the run was never closed")


def test_a_process_that_is_gone_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    tracker = process_of("raise SystemExit(3)")
    assert tracker.run_id is None  # it ends without an answer
    for step in range(3):
        tracker.log_metrics({"loss": 0.5}, step)
    tracker.end("FINISHED")
    assert caplog.text.count("tracking of this run is lost") == 1


def test_a_process_that_never_ends_is_not_waited_for_forever(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.tracking.PATIENCE", 0.1)
    tracker = process_of("import time; time.sleep(600)")
    tracker.end("FINISHED")
    assert tracker.run_id is None
    assert caplog.text.count("tracking of this run is lost") == 1
