"""Command: what drills and the soak kept, put as tables into docs/faults.md.

python -m evaluation.faults
"""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from data.errors import DataError
from data.schema import Record
from evaluation.fault_records import Availability, FaultReport, FaultRow
from evaluation.readme import with_part
from evaluation.wording import DASH, count, number

REPORT = Path("evaluation/reports/faults.json")
AVAILABILITY = Path("evaluation/reports/availability.json")
PAGE = Path("docs/faults.md")
FAULTS, SOAK = "faults", "availability"
"""Names of the generated parts of the page, each between two markers."""

R = TypeVar("R", bound=Record)


def read_faults(path: Path = REPORT) -> FaultReport | None:
    """The kept drills; None where there are none.

    Raises
    ------
    DataError
        If the file does not hold them.
    """
    return _read(path, FaultReport)


def read_availability(path: Path = AVAILABILITY) -> Availability | None:
    """The kept soak; None where there is none.

    Raises
    ------
    DataError
        If the file does not hold one.
    """
    return _read(path, Availability)


def _read(path: Path, kind: type[R]) -> R | None:
    if not path.is_file():
        return None
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise DataError(f"{path} holds no {kind.__name__}: {error}") from None


def table_row(row: FaultRow) -> str:
    """One fault as a row of the table."""
    lost = count(row.records_lost)
    if row.loss_allowed:
        lost += f" ({count(row.loss_allowed)} given up)"
    cells = (
        row.fault, row.promise, "; ".join((row.observed, *row.broken)),
        count(row.requests_sent), count(row.requests_failed), count(row.records_acknowledged),
        lost, "yes" if row.held else "**no**", f"{number(row.seconds, 0)} s",
    )  # fmt: skip
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def render_faults(report: FaultReport | None) -> str:
    """A row per fault, then what this machine could not be asked."""
    if report is None:
        return "No drill is kept yet: `make faults` carries them out."
    machine = report.machine
    head = (
        "fault", "promise", "observed", "requests", "failed", "acknowledged", "lost", "held",
        "took",
    )  # fmt: skip
    lines = [
        f"{machine.processor}, {machine.cores} cores; bundle `{report.bundle}`; "
        f"{report.begun_at[:10]}.",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *map(table_row, report.rows),
    ]
    if report.not_run:
        lines += ["", *(f"- Not run: {name}, {why}." for name, why in report.not_run.items())]
    return "\n".join(lines)


def render_availability(found: Availability | None) -> str:
    """The soak in a few lines."""
    if found is None:
        return "No soak is kept yet: `make soak` holds one."
    soak = found.soak
    point, slope = soak.point, soak.mib_per_hour
    answers = point.answers + point.failed
    failures = ", ".join(f"{n} x {what}" for what, n in point.failures.items()) or "none"
    memory = DASH if slope is None else f"{slope:+.0f} MiB an hour over the second half"
    return "\n".join(
        [
            f"{found.machine.processor}, {found.machine.cores} cores; bundle `{found.bundle}`.",
            "",
            "| what | it was |",
            "|---|---|",
            f"| load | {point.rate:g} requests a second for {soak.minutes:g} minutes, "
            f"{point.workers} workers |",
            *(f"| at {one.at_seconds:.0f} s | {one.what} |" for one in found.interruptions),
            f"| answered with 200 | {100 * found.available:.3f} % of {count(answers)}, none tried "
            "again |",
            f"| failed | {failures} |",
            f"| p99 | {number(point.p99_ms, 1)} ms |",
            f"| memory | {memory} |",
            f"| records lost | {count(found.records_lost)} of "
            f"{count(found.records_acknowledged)} acknowledged |",
        ]
    )


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    page = with_part(page, FAULTS, render_faults(read_faults()))
    page = with_part(page, SOAK, render_availability(read_availability()))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
