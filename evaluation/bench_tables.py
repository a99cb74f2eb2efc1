"""The benchmark of serving as markdown: a short table for the README, the rest for its own page."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from data.errors import DataError
from evaluation.bench_records import BenchReport, BulkFigures, PointFigures, SystemFacts
from evaluation.wording import DASH, count, number, percent

REPORT = Path("evaluation/reports/bench.json")
DRAWINGS, THROUGHPUT, LATENCY = "performance", "throughput.svg", "latency.svg"
"""Folder beside docs/performance.md, and the files in it."""

NOT_MEASURED = "No benchmark is kept yet: `make bench` runs one."
STATED_RATE = 167.0
"""Requests a second of the stated goal, ten thousand a minute."""


def read_bench(path: Path = REPORT) -> BenchReport | None:
    """The kept benchmark; None where there is none.

    Raises
    ------
    DataError
        If the file is not one.
    """
    if not path.is_file():
        return None
    try:
        return BenchReport.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise DataError(f"{path} is no benchmark: {error}") from None


def render_headlines(report: BenchReport | None) -> str:
    """A row per system: what it can take, how fast it answers, whether it decides the same."""
    if report is None:
        return NOT_MEASURED
    return "\n".join([_where(report), "", *_summary(report)])


def render_closed(report: BenchReport | None) -> str:
    """Every closed loop: so many clients, each with one request at a time."""
    if report is None:
        return NOT_MEASURED
    return _points(report, "clients", [p for p in report.points if p.clients is not None])


def render_open(report: BenchReport | None) -> str:
    """Every open loop: so many requests a second, whether others are answered or not."""
    if report is None:
        return NOT_MEASURED
    return _points(report, "sent/s", [p for p in report.points if p.rate is not None])


def render_drawings(report: BenchReport | None) -> str:
    """Where the page finds its two drawings, see `bench_plots`."""
    if report is None:
        return NOT_MEASURED
    return (
        f"![answers a second by clients]({DRAWINGS}/{THROUGHPUT})\n\n"
        f"![99th percentile by requests sent a second]({DRAWINGS}/{LATENCY})"
    )


def render_rest(report: BenchReport | None) -> str:
    """Cold start, a file scored, and a rate held for minutes."""
    if report is None:
        return NOT_MEASURED
    rows = []
    for cold in report.cold_starts:
        every = ", ".join(number(s, 1) for s in cold.seconds)
        rows.append((f"cold start to ready, workers: {cold.workers}", f"{every} s"))
    for bulk in report.bulk:
        told = f"{number(bulk.seconds, 1)} s, {count(bulk.rows / bulk.seconds)} a second"
        rows.append(
            (
                f"`pipelines.score{_options(bulk)}`, {count(bulk.rows)} tickets",
                f"{told}, {count(bulk.peak_mib)} MiB",
            )
        )
    if (soak := report.soak) is not None:
        point, slope = soak.point, soak.mib_per_hour
        told = (
            f"{number(point.requests_per_second, 1)}/s, p99 {number(point.p99_ms, 1)} ms, "
            f"{count(point.failed)} failed"
        )
        if slope is not None:
            told += f", memory {slope:+.0f} MiB an hour"
        rows.append(
            (
                f"{point.system}, {point.rate:g}/s for {soak.minutes:g} minutes, "
                f"{point.workers} workers",
                told,
            )
        )
    return _table(("what", "measured"), rows)


def _options(bulk: BulkFigures) -> str:
    """What was asked of the command beside the file, where it is not the default."""
    detail = "" if bulk.detail == "full" else f" --detail {bulk.detail}"
    return detail + ("" if bulk.precision == "same" else f" --precision {bulk.precision}")


def render_setting(report: BenchReport | None) -> str:
    """Machine, tickets, generator and libraries."""
    if report is None:
        return NOT_MEASURED
    texts = report.texts
    share = max((p.generator_cpu_ms for p in report.points if p.clients), default=0.0)
    rows = [
        ("processor", f"{report.machine.processor}, {report.machine.cores} cores"),
        ("instructions", ", ".join(report.machine.instructions) or DASH),
        ("memory", f"{count(report.machine.memory_mib)} MiB"),
        ("system", report.machine.system),
        ("bundle", f"`{report.bundle}`"),
        (
            "tickets",
            f"{texts.dataset}, {texts.split}: {count(texts.tickets)} of "
            f"{count(texts.characters_p50)} characters (median), {count(texts.characters_p90)} "
            f"(90 %), {count(texts.characters_max)} (longest)",
        ),
        (
            "load generator",
            f"{report.generator}; at most {number(share, 2)} ms of a core per request",
        ),
        ("libraries", ", ".join(f"{name} {v}" for name, v in report.libraries.items())),
    ]
    return _table(("what", "it was"), rows)


def peak(points: Iterable[PointFigures]) -> PointFigures | None:
    """The closed loop with the most answers a second."""
    closed = [point for point in points if point.clients is not None]
    return max(closed, key=lambda point: point.requests_per_second, default=None)


def _where(report: BenchReport) -> str:
    machine = report.machine
    known = f" ({', '.join(machine.instructions)})" if machine.instructions else ""
    return (
        f"{machine.processor}, {machine.cores} cores{known}, load generator included; tickets of "
        f"{report.texts.dataset}, each text new; bundle `{report.bundle}`."
    )


def _summary(report: BenchReport) -> list[str]:
    head = (
        "system", "an answer holds", "workers", "most answers/s", "p50, 1 client",
        f"p99 at {STATED_RATE:g}/s", "failed", "same decisions", "ready", "MiB",
        "largest process",
    )  # fmt: skip
    rows = []
    for name, workers in _measured(report):
        points = report.of(name, workers)
        facts = _facts(report, name, workers)
        alone = next((p for p in points if p.clients == 1), None)
        stated = next((p for p in points if p.rate == STATED_RATE), None)
        rows.append(
            (
                facts.title if facts else name,
                facts.tells if facts else DASH,
                str(workers),
                _most(points),
                _milliseconds(alone.p50_ms if alone else None),
                _milliseconds(stated.p99_ms if stated else None),
                _failed(points),
                DASH if facts is None else percent(facts.same_decisions),
                _seconds(facts.ready_seconds if facts else None),
                count(max((p.pss_mib for p in points), default=None)),
                count(max((p.worker_mib for p in points), default=None)),
            )
        )
    return _table(head, rows).splitlines()


def _most(points: Sequence[PointFigures]) -> str:
    """The best closed loop in words."""
    best = peak(points)
    if best is None:
        return DASH
    clients = "1 client" if best.clients == 1 else f"{best.clients} clients"
    return f"{best.requests_per_second:.0f} ({clients})"


def _points(report: BenchReport, load: str, points: Sequence[PointFigures]) -> str:
    head = (
        "system", "workers", load, "answers/s", "p50 ms", "p95 ms", "p99 ms", "failed",
        "server CPU ms", "MiB", "largest process",
    )  # fmt: skip
    rows = [
        (
            point.system + (" (repeated texts)" if point.repeated else ""),
            str(point.workers),
            f"{point.clients if point.rate is None else point.rate:g}",
            number(point.requests_per_second, 1),
            number(point.p50_ms, 1),
            number(point.p95_ms, 1),
            number(point.p99_ms, 1),
            _failed([point]),
            number(point.server_cpu_ms, 2),
            count(point.pss_mib),
            count(point.worker_mib),
        )
        for point in points
    ]
    return _table(head, rows)


def _failed(points: Sequence[PointFigures]) -> str:
    """Requests that were not answered, of all that were sent."""
    failed = sum(point.failed for point in points)
    sent = failed + sum(point.answers for point in points)
    return f"{count(failed)} of {count(sent)}" if failed else "0"


def _seconds(value: float | None) -> str:
    return DASH if value is None else f"{number(value, 1)} s"


def _milliseconds(value: float | None) -> str:
    return DASH if value is None else f"{number(value, 1)} ms"


def _measured(report: BenchReport) -> list[tuple[str, int]]:
    """Systems with their workers, in the order of measurement."""
    return list(dict.fromkeys((point.system, point.workers) for point in report.points))


def _facts(report: BenchReport, name: str, workers: int) -> SystemFacts | None:
    found = (f for f in report.systems if (f.name, f.workers) == (name, workers))
    return next(found, None)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    ruler = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ruler, *rows))
