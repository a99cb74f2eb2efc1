"""What was measured of each arm is read from JSON or from Prometheus, and else not measured."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from data.errors import DataError
from evaluation.guardrails import Measured
from pipelines.measurements import parse_measured, read_measured

VERSION = "invented-00000000"


def exposition(failures: bool = True) -> str:
    registry = CollectorRegistry()
    seconds = Histogram(
        "tickets_arm_seconds", "", ["arm", "version"], buckets=(0.01, 0.1, 1.0), registry=registry
    )
    answers = Counter("tickets_arm_answers", "", ["arm", "version"], registry=registry)
    Counter("tickets_audited", "", registry=registry).inc()
    for _ in range(80):
        seconds.labels("champion", VERSION).observe(0.005)
    for _ in range(20):
        seconds.labels("champion", VERSION).observe(0.05)
    answers.labels("champion", VERSION).inc(99)
    answers.labels("shadow", VERSION).inc(500)
    if failures:
        Counter("tickets_arm_failures", "", ["version"], registry=registry).labels(VERSION).inc()
    return generate_latest(registry).decode()


def test_json_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    file.write_text(f'{{"{VERSION}": {{"p95_ms": 40, "error_rate": 0.01}}, "other": {{}}}}')
    assert read_measured(str(file)) == {
        VERSION: Measured(p95_ms=40, error_rate=0.01),
        "other": Measured(),
    }


def test_prometheus_text_gives_the_quantile_of_its_buckets_and_the_share_of_failures() -> None:
    measured = parse_measured(exposition())[VERSION]
    # 80 of 100 below 10 ms, the other 20 between 10 and 100: the 95th lies at three quarters.
    assert measured.p95_ms == pytest.approx(10 + 0.75 * 90)
    assert measured.error_rate == pytest.approx(0.01)


def test_a_service_that_counts_no_failures_has_not_shown_that_there_are_none() -> None:
    assert parse_measured(exposition(failures=False))[VERSION].error_rate is None
    assert parse_measured("# HELP nothing\n") == {}


def test_what_lies_above_every_bucket_is_at_least_the_last() -> None:
    lines = [f'tickets_arm_seconds_bucket{{version="{VERSION}",le="{le}"}} {n}'
             for le, n in (("0.1", 1), ("1.0", 2), ("+Inf", 100))]  # fmt: skip
    assert parse_measured("\n".join(lines) + "\n")[VERSION].p95_ms == 1000
    empty = f'tickets_arm_seconds_bucket{{version="{VERSION}",le="+Inf"}} 0\n'
    assert parse_measured(empty)[VERSION].p95_ms is None


@pytest.mark.parametrize("text", ['{"a": {"p95_ms": -1}}', "{", "no metrics {"])
def test_what_is_neither_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "measured"
    file.write_text(text)
    with pytest.raises(DataError, match="neither JSON of measurements nor Prometheus text"):
        read_measured(str(file))


def test_it_is_read_over_http_too() -> None:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(exposition().encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.handle_request, daemon=True).start()
        measured = read_measured(f"http://127.0.0.1:{server.server_port}/metrics")
    assert measured == parse_measured(exposition())


def test_a_place_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--metrics: .*missing.* cannot be read"):
        read_measured(str(tmp_path / "missing"))
    with pytest.raises(DataError, match=r"http://127.* cannot be read"):
        read_measured("http://127.0.0.1:1/metrics")
