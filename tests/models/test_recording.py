"""Runs are recorded where the environment says, under names MLflow allows."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from models.recording import connect, log_metrics, log_params, numbers, tracking_uri


def test_runs_are_recorded_in_the_repository_by_default(repository: Path) -> None:
    assert tracking_uri(repository) == f"sqlite:///{repository}/mlflow.db"


def test_the_environment_names_another_place(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.invalid:5000")
    assert tracking_uri(repository) == "http://tracking.invalid:5000"


def test_an_experiment_in_a_copy_is_recorded_where_it_was_started(tmp_path: Path) -> None:
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "tmpabc"
    assert tracking_uri(copy) == f"sqlite:///{tmp_path}/mlflow.db"


def test_artefacts_lie_beside_the_database(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, first = connect(repository)
    assert connect(repository)[1] == first
    place = client.get_experiment(first).artifact_location
    assert place == (repository / "mlartifacts").as_uri()
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    client, second = connect(repository)
    assert client.get_experiment(second).name == "another"


def test_any_name_and_any_number_of_metrics_can_be_logged(repository: Path) -> None:
    client, experiment = connect(repository)
    run = client.create_run(experiment).info.run_id
    log_metrics(client, run, {f"m{i}": i for i in range(1001)}, step=3)
    log_metrics(client, run, {"Büro (EU) & Co.accuracy": 0.5, "x" * 300: 1.0})
    log_params(
        client, run, {"a": {"b": [1, 2], "long": "y" * 7000}, **{f"p{i}": i for i in range(150)}}
    )
    data = client.get_run(run).data
    assert len(data.metrics) == 1003
    assert data.metrics["Büro _EU_ _ Co.accuracy"] == 0.5
    assert data.params["a.b"] == "[1, 2]"
    assert len(data.params["a.long"]) <= 6000
    assert len(data.params) == 152


def test_only_numbers_are_metrics() -> None:
    nested = {"a": {"b": 1, "ci": [0.1, 0.2]}, "name": "x", "none": None, "flag": True}
    assert numbers(nested) == {"a.b": 1.0, "a.ci.0": 0.1, "a.ci.1": 0.2}


def test_two_stages_that_start_at_once_share_the_experiment(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = connect(repository)
    answers = [None]
    look = MlflowClient.get_experiment_by_name
    monkeypatch.setattr(
        MlflowClient,
        "get_experiment_by_name",
        lambda self, name: answers.pop() if answers else look(self, name),
    )
    assert connect(repository)[1] == first


def test_a_server_decides_where_artefacts_lie(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.invalid:5000")
    asked: dict[str, str | None] = {}
    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", lambda self, name: None)
    monkeypatch.setattr(
        MlflowClient,
        "create_experiment",
        lambda self, name, artifact_location: asked.setdefault(name, artifact_location) or "7",
    )
    assert connect(repository)[1] == "7"
    assert asked == {"ticket-assistant": None}
