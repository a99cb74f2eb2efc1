"""The walk of the README on the sample: from raw tickets to a served, certified answer."""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.bundle import load
from tests.walk import set_out, take, take_all


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("walk")
    with pytest.MonkeyPatch.context() as patch:
        set_out(folder, patch, dataset="sample")
        take_all(patch)
        yield folder


def test_every_ticket_is_prepared_or_rejected_with_a_reason(walked: Path) -> None:
    frame = pd.read_parquet(walked / "data/prepared/tickets.parquet")
    rejected = pd.read_csv(walked / "data/prepared/rejected.csv")
    lines = (walked / "data/sample/tickets.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(frame) + len(rejected) == len(lines)
    assert (frame.groupby("group")["split"].nunique() == 1).all()


def test_metrics_hold_the_contract_for_every_target(walked: Path) -> None:
    metrics = json.loads((walked / "evaluation/reports/metrics.json").read_text(encoding="utf-8"))
    assert metrics["dataset"] == "sample"
    assert metrics["fallback"] is False
    assert set(metrics["targets"]) == {"category", "severity", "sentiment"}
    figures = ("accuracy", "macro_f1", "ece", "certified_automation", "coverage_at_95")
    for target in metrics["targets"].values():
        for name in figures:
            low, high = target[f"{name}_ci"]
            assert 0 <= low <= high <= 1
        assert set(target["members"]) == {"linear", "embedding", "finetuned"}
    assert set(metrics["seconds"]) >= {"fetch", "prepare", "train@linear", "ensemble", "evaluate"}


def test_the_report_stands_alone(walked: Path) -> None:
    page = (walked / "evaluation/reports/report.html").read_text(encoding="utf-8")
    assert "<link" not in page
    assert 'src="http' not in page


def test_the_published_bundle_answers_like_the_report_says(walked: Path) -> None:
    deployment = json.loads((walked / "store/deployment.json").read_text(encoding="utf-8"))
    version = deployment["champion"]["version"]
    manifest, assistant = load(walked / "store" / version)
    metrics = json.loads((walked / "evaluation/reports/metrics.json").read_text(encoding="utf-8"))
    assert manifest.version == version == metrics["bundle"]
    frame = pd.read_parquet(walked / "data/prepared/tickets.parquet")
    test = frame[frame["split"] == "test"]
    probabilities = assistant.predict_proba(test["text"].tolist())["category"]
    names = np.array(assistant.targets["category"])
    accuracy = (names[probabilities.argmax(axis=1)] == test["category"]).mean()
    assert accuracy == pytest.approx(metrics["targets"]["category"]["accuracy"], abs=0.02)


def test_the_service_answers_from_the_champion(
    walked: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    from starlette.testclient import TestClient

    from serving import service
    from serving.settings import Settings

    settings = Settings.model_validate(
        {
            "bundle_store": str(walked / "store"),
            "store": f"sqlite:///{tmp_path / 'store.db'}",
            "spool": tmp_path / "spool",
            "jobs_folder": tmp_path / "jobs",
        }
    )
    monkeypatch.setattr(service, "settings", settings)
    with TestClient(service.TicketAssistantService.to_asgi()) as client:
        deadline = time.monotonic() + 60
        while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        answer = client.post("/v1/predict", json={"id": "7", "text": "deadlock in postgres again"})
        assert answer.status_code == 200
        body = answer.json()
        assert body["ticket_id"] == "7"
        assert set(body["targets"]) == {"category", "severity", "sentiment"}
        assert client.get("/v1/model").json()["version"] == body["bundle"]


def test_registering_twice_changes_nothing(walked: Path) -> None:
    store = walked / "store/deployment.json"
    before = store.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        take("register", patch)
    assert store.read_bytes() == before
