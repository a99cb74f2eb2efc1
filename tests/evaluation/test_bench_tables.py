"""The tables say what was measured, failures first of all."""

from pathlib import Path

import pytest

from data.errors import DataError
from evaluation.bench_plots import latency_svg, throughput_svg
from evaluation.bench_records import BulkFigures, ColdStart, Soak, SystemFacts
from evaluation.bench_tables import (
    NOT_MEASURED,
    read_bench,
    render_closed,
    render_drawings,
    render_headlines,
    render_open,
    render_rest,
    render_setting,
)
from tests.bench_fakes import make_point, make_report

OURS = SystemFacts(
    name="ours", title="Ticket Assistant", tells="everything", workers=2, ready_seconds=3.21,
    same_decisions=1.0, compared=500,
)  # fmt: skip
STOCK = OURS.model_copy(
    update={"name": "stock", "title": "FastAPI", "workers": 1, "same_decisions": 0.9914}
)
REPORT = make_report(
    systems=(OURS, STOCK),
    points=(
        make_point("ours", 2, clients=1, requests_per_second=90.0, p50_ms=9.87),
        make_point("ours", 2, clients=32, requests_per_second=255.4, pss_mib=900.0),
        make_point("ours", 2, clients=64, requests_per_second=251.0),
        make_point("ours", 2, rate=167.0, requests_per_second=166.8, p99_ms=44.4),
        make_point("ours", 2, clients=64, requests_per_second=2_000.0, repeated=True),
        make_point("stock", 1, clients=1, requests_per_second=48.0, p50_ms=20.0),
        make_point("stock", 1, rate=167.0, p99_ms=21_000.0, answers=900, failures={"503": 100}),
    ),
)


def row(table: str, *cells: str) -> str:
    found = [line for line in table.splitlines() if all(f"| {cell} |" in line for cell in cells)]
    assert len(found) == 1
    return found[0]


def test_the_headline_of_a_system_is_its_best_closed_loop_of_new_texts() -> None:
    table = render_headlines(REPORT)
    ours = row(table, "Ticket Assistant")
    assert "| 255 (32 clients) | 9.9 ms | 44.4 ms | 0 |" in ours
    assert "| 100.0\u00a0% | 3.2 s | 900 | 300 |" in ours
    assert "Invented 3000, 2 cores (avx2, avx512_vnni)" in table.splitlines()[0]


def test_failures_stand_beside_what_they_belong_to() -> None:
    stock = row(render_headlines(REPORT), "FastAPI")
    assert "| 100 of 2\u2009000 | 99.1\u00a0% |" in stock
    assert "| 100 of 1\u2009000 |" in row(render_open(REPORT), "stock")


def test_every_point_is_in_one_of_the_two_tables() -> None:
    closed, opened = render_closed(REPORT), render_open(REPORT)
    assert len(closed.splitlines()) == 2 + 5
    assert len(opened.splitlines()) == 2 + 2
    assert "ours (repeated texts)" in closed


def test_an_answer_that_never_came_has_no_time() -> None:
    point = make_point(clients=1, answers=0, p50_ms=None, p95_ms=None, p99_ms=None)
    assert "| – | – | – |" in render_closed(make_report(points=(point,)))


def test_the_rest_tells_starts_files_and_a_held_rate() -> None:
    point = make_point("ours", 2, rate=167.0, requests_per_second=166.9, p99_ms=61.0)
    looks = tuple((10.0 * i, 500.0 + (0 if i < 30 else i - 30)) for i in range(60))
    report = make_report(
        cold_starts=(ColdStart(workers=1, seconds=(3.21, 3.0)),),
        bulk=(BulkFigures(rows=47_837, seconds=80.0, peak_mib=700.0),),
        soak=Soak(point=point, minutes=10, mib=looks),
    )
    table = render_rest(report)
    assert "| cold start to ready, workers: 1 | 3.2, 3.0 s |" in table
    assert "47\u2009837 tickets | 80.0 s, 598 a second, 700 MiB |" in table
    # 1 MiB every 10 s in the second half.
    assert "166.9/s, p99 61.0 ms, 0 failed, memory +360 MiB an hour" in table


def test_a_slope_needs_three_looks() -> None:
    point = make_point(rate=1.0)
    assert Soak(point=point, minutes=1, mib=((0.0, 1.0), (1.0, 2.0))).mib_per_hour is None


def test_what_costs_the_generator_is_told() -> None:
    report = make_report(points=(make_point(clients=1, generator_cpu_ms=0.123),))
    assert "at most 0.12 ms of a core per request" in render_setting(report)


def test_without_a_benchmark_the_pages_say_so(tmp_path: Path) -> None:
    assert read_bench(tmp_path / "bench.json") is None
    for render in (
        render_headlines, render_closed, render_open, render_rest, render_setting, render_drawings,
    ):  # fmt: skip
        assert render(None) == NOT_MEASURED


def test_a_report_survives_its_file_and_a_broken_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    path.write_text(REPORT.model_dump_json())
    assert read_bench(path) == REPORT
    path.write_text("{}")
    with pytest.raises(DataError, match="is no benchmark"):
        read_bench(path)


def test_the_drawings_are_the_same_bytes_for_the_same_report() -> None:
    for draw in (throughput_svg, latency_svg):
        assert draw(REPORT) == draw(REPORT)
        assert "ours, workers: 2" in draw(REPORT)
    assert "stock, workers: 1" in throughput_svg(REPORT)
    assert "stock" not in latency_svg(REPORT), "what failed has no place among latencies"
