"""The command, with real servers on a small real bundle: what a person types is what is tested."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.bench_records import BenchReport
from serving.bench import __main__ as command
from serving.bench import soak
from serving.bench.plan import QUICK
from serving.bench.processes import Server, free_port, serving
from serving.bench.systems.catalogue import BENTO, IN_PROCESS, OURS, STOCK, System
from serving.bench.workplace import Workplace
from tests.conftest import Tickets
from tests.serving.bench.prepared import prepare_tickets
from tests.serving.test_service import Published, published

__all__ = ["published"]

TINY = replace(
    QUICK,
    systems=((OURS, 1), (STOCK, 1), (BENTO, 1), (IN_PROCESS, 1)),
    clients=(2,), rates=(20.0,), seconds=1.0, warm=0.3, bulk_rows=10, compared=8,
)  # fmt: skip


def test_a_benchmark_is_measured_kept_and_gone_on_with(
    published: Published, tickets: Tickets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    published.deploy()
    prepare_tickets(tmp_path / "prepared", tickets.texts[:30], ["test"] * 30)
    monkeypatch.setattr(command, "QUICK", TINY)
    output = tmp_path / "bench.json"
    told = [
        "--quick", "--store", str(published.store.root), "--prepared", str(tmp_path / "prepared"),
        "--work", str(tmp_path / "work"), "--output", str(output),
    ]  # fmt: skip
    assert command.main([*told, "--only", OURS]) == 0
    assert "5 points to measure" in capsys.readouterr().err
    assert not output.exists()

    assert command.main(told) == 0
    shown = capsys.readouterr().err
    assert f"starting {STOCK}" in shown
    assert f"starting {OURS}" not in shown, "what was measured is not measured again"
    report = BenchReport.model_validate_json(output.read_text())
    assert report.bundle == published.manifest.version
    assert len(report.points) == len(TINY.all_points()) == 8
    for point in report.points:
        assert point.failures == {}, point
        assert point.answers > 0
        assert point.p50_ms is not None
        assert point.p99_ms is not None
        assert 0 < point.p50_ms <= point.p99_ms
        assert point.pss_mib > 50
        assert point.server_cpu_ms > 0
    *servers, alone = report.systems
    assert [facts.name for facts in servers] == [OURS, STOCK, BENTO]
    assert (alone.name, alone.ready_seconds, alone.same_decisions) == (IN_PROCESS, None, None)
    for facts in servers:
        assert facts.same_decisions == 1.0
        assert facts.compared == 8
        assert facts.ready_seconds is not None
        assert facts.ready_seconds > 0
    assert report.bulk[0].rows == 10


ANSWERING = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()
    def log_message(self, *_): ...
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_rate_is_held_and_the_memory_followed(
    published: Published, tickets: Tickets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    published.deploy()
    prepare_tickets(tmp_path / "prepared", tickets.texts[:30], ["test"] * 30)
    begun: list[tuple[str, int]] = []

    @contextmanager
    def small_server(_: Workplace, system: System, workers: int) -> Iterator[Server]:
        begun.append((system.name, workers))
        port = free_port()
        with serving([sys.executable, "-c", ANSWERING, str(port)], port, {}, tmp_path) as server:
            yield server

    monkeypatch.setattr(soak, "started", small_server)
    monkeypatch.setattr(soak, "WARM", 0.3)
    monkeypatch.setattr(soak, "LOOK_EVERY", 0.2)
    told = [
        "--quick", "--store", str(published.store.root), "--prepared", str(tmp_path / "prepared"),
        "--work", str(tmp_path / "work"), "--soak", "0.03", "--rate", "30", "--workers", "2",
    ]  # fmt: skip
    assert command.main(told) == 0
    assert begun == [(OURS, 2)]
    assert "30 requests a second for 0.03 minutes, 2 workers" in capsys.readouterr().err
    kept = BenchReport.model_validate_json((tmp_path / "work/quick.json").read_text())
    assert kept.soak
    assert kept.soak.point.failures == {}
    assert kept.soak.point.answers > 20
    assert len(kept.soak.mib) >= 4
    assert kept.soak.mib_per_hour is not None


def test_nothing_published_is_told(tmp_path: Path, capsys) -> None:
    prepare_tickets(tmp_path / "prepared", ["a"], ["test"])
    told = ["--store", str(tmp_path / "store"), "--prepared", str(tmp_path / "prepared")]
    assert command.main([*told, "--work", str(tmp_path / "work")]) == 1
    assert "run `make` first" in capsys.readouterr().err
