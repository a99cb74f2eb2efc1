import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from data.schema import Prediction, TargetPrediction, Ticket
from serving.arms import Told
from serving.telemetry import (
    MAX_LABELS,
    MAX_VERSIONS,
    Telemetry,
    forget_dead_workers,
)
from tests.serving.fakes import VERSION, make_manifest


def samples(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    """Name and label values, in the order of the labels' names -> value."""
    content, _ = telemetry.exposition()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def prediction(label: str, confidence: float = 0.97) -> Prediction:
    answer = TargetPrediction(
        label=label, confidence=confidence, decision="auto", reason="certified"
    )
    return Prediction(
        ticket_id="T-1",
        bundle=VERSION,
        fallback=False,
        language=None,
        targets={"category": answer},
        degraded=("finetuned",),
    )


def test_answers_are_counted_by_target_label_and_decision(telemetry: Telemetry) -> None:
    telemetry.bundle_changed(make_manifest())
    telemetry.answered([prediction("printer"), prediction("printer"), prediction("network")])
    found = samples(telemetry)
    assert found["tickets_predictions_total", "auto", "printer", "category"] == 2
    assert found["tickets_predictions_total", "auto", "network", "category"] == 1
    assert found["tickets_decisions_total", "certified", "category"] == 3
    assert found["tickets_confidence_count", "category"] == 3
    assert found["tickets_confidence_bucket", "0.95", "category"] == 0
    assert found["tickets_degraded_total", "finetuned"] == 3


def test_labels_beyond_the_bound_share_one_series(telemetry: Telemetry) -> None:
    labels = tuple(f"label-{i:04}" for i in range(3 * MAX_LABELS))
    manifest = make_manifest().model_copy(update={"targets": {"category": labels}})
    telemetry.bundle_changed(manifest)
    telemetry.answered([prediction(label) for label in labels])
    series = [key for key in samples(telemetry) if key[0] == "tickets_predictions_total"]
    assert len(series) == MAX_LABELS + 1
    assert samples(telemetry)["tickets_predictions_total", "auto", "(other)", "category"] == (
        2 * MAX_LABELS
    )


def test_the_model_gauge_moves_to_the_bundle_that_answers(telemetry: Telemetry) -> None:
    telemetry.bundle_changed(make_manifest())
    telemetry.bundle_changed(make_manifest("invented-ffffffff", fallback=False))
    found = samples(telemetry)
    assert found["tickets_model_info", "invented", "true", VERSION] == 0
    assert found["tickets_model_info", "invented", "false", "invented-ffffffff"] == 1


def test_labels_of_a_challenger_are_counted_beside_the_champions(telemetry: Telemetry) -> None:
    challenger = make_manifest().model_copy(update={"targets": {"category": ("scanner",)}})
    telemetry.bundle_changed(make_manifest(), [challenger])
    telemetry.answered([prediction("scanner"), prediction("printer")])
    found = samples(telemetry)
    assert found["tickets_predictions_total", "auto", "scanner", "category"] == 1
    assert found["tickets_predictions_total", "auto", "printer", "category"] == 1


def test_answers_are_counted_by_arm_and_a_bounded_number_of_versions(telemetry: Telemetry) -> None:
    for i in range(MAX_VERSIONS + 5):
        answer = prediction("printer").model_copy(update={"bundle": f"invented-{i:08x}"})
        now, ticket = datetime.now(UTC), Ticket(text="a")
        telemetry.told([Told(str(i), now, ticket, "k", answer, "champion", 1.0, True, 0.5)])
        telemetry.told([Told(str(i), now, ticket, "k", answer, "shadow", 1.0, True, 0.5)])
    found = samples(telemetry)
    series = [key for key in found if key[:2] == ("tickets_arm_answers_total", "champion")]
    assert len(series) == MAX_VERSIONS + 1
    assert found["tickets_arm_answers_total", "champion", "(other)"] == 5
    assert found["tickets_audited_total",] == MAX_VERSIONS + 5


def test_several_workers_are_told_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    telemetry = Telemetry(CollectorRegistry())
    content, media_type = telemetry.exposition()
    assert content == b""
    assert media_type.startswith("text/plain")
    telemetry.close()


def test_gauges_of_a_killed_worker_are_forgotten(tmp_path: Path) -> None:
    dead = tmp_path / "gauge_livemax_999999999.db"
    alive = tmp_path / f"gauge_livemax_{os.getpid()}.db"
    counter = tmp_path / "counter_999999999.db"
    for file in (dead, alive, counter):
        file.touch()
    forget_dead_workers(str(tmp_path))
    assert not dead.exists()
    assert alive.exists()
    assert counter.exists()
