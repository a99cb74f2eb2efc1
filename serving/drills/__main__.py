"""Command: break one thing after the other under a running service, and see what is kept.

python -m serving.drills                          every drill, into evaluation/reports/faults.json
python -m serving.drills worker-killed disk-full  these drills, into the same report
python -m serving.drills --list                   what there is
python -m serving.drills soak --minutes 60        a rate held with faults inside, into
                                                  evaluation/reports/availability.json

Exit status: 0 every promise was kept; 1 one was not; 2 a drill could not be carried out.
`python -m evaluation.faults` puts the report into docs/faults.md.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from data.durable import write_text
from data.errors import TicketAssistantError
from evaluation.fault_records import FaultReport
from evaluation.faults import AVAILABILITY, REPORT, read_faults, table_row
from models.publishing import open_store
from serving.bench.choosing import choose_texts
from serving.bench.machine import describe_machine
from serving.bench.workplace import Workplace, prepare
from serving.drills import soak
from serving.drills.catalogue import DRILLS
from serving.drills.client import TEXTS
from serving.drills.drill import Drill
from serving.drills.running import run
from serving.drills.stage import LackingError

WORK = Path(".cache/drills")
KEPT, BROKEN, UNKNOWN, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; gives the exit status."""
    asked = read_arguments(arguments)
    if asked.list:
        for drill in DRILLS.values():
            sys.stdout.write(f"{drill.name}: {drill.promise}\n")
        return KEPT
    try:
        store = open_store(asked.store)
        if asked.names == ["soak"]:
            # Those that the peak was measured with: shorter ones would make a lighter load.
            _, texts = choose_texts(asked.prepared)
            return soak_as(asked, prepare(asked.work, store, texts))
        return drill_all(asked, prepare(asked.work, store, list(TEXTS)))
    except TicketAssistantError as error:
        say(str(error))
        return UNKNOWN
    except KeyboardInterrupt:
        say("interrupted; what was seen is kept")
        return INTERRUPTED


def drill_all(asked: argparse.Namespace, workplace: Workplace) -> int:
    """Carry out the drills that are named, all where none is; the report is whole after each."""
    drills = [DRILLS[name] for name in asked.names] or list(DRILLS.values())
    report = begun(asked, workplace)
    status = KEPT
    for place, drill in enumerate(drills, 1):
        say(f"{place}/{len(drills)} {drill.name}: {drill.promise}")
        report, one = carried_out(drill, workplace, report)
        write_text(asked.output or REPORT, report.model_dump_json(indent=1) + "\n")
        status = max(status, one)
    return status


def carried_out(drill: Drill, workplace: Workplace, report: FaultReport) -> tuple[FaultReport, int]:
    """The report with what became of a drill, and the status it asks for."""
    try:
        row = run(drill, workplace)
    except LackingError as error:
        say(f"    not run: {error}")
        return report.without(drill.name, str(error)), KEPT
    except TicketAssistantError as error:
        say(f"    could not be carried out: {error}")
        return report.without(drill.name, str(error)), UNKNOWN
    say(f"    {table_row(row)}")
    for fault in row.broken:
        say(f"    BROKEN: {fault}")
    return report.with_row(row), KEPT if row.held else BROKEN


def begun(asked: argparse.Namespace, workplace: Workplace) -> FaultReport:
    """The report to add to: an earlier one of the same bundle and machine, or a new one."""
    new = FaultReport(
        machine=describe_machine(),
        bundle=workplace.version,
        begun_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    known = read_faults(asked.output or REPORT) if asked.names else None
    if known is None or (known.bundle, known.machine) != (new.bundle, new.machine):
        return new
    return known


def soak_as(asked: argparse.Namespace, workplace: Workplace) -> int:
    """Hold a rate with faults inside, and keep what came of it."""
    found = soak.hold(workplace, asked.rate or soak.half_of_peak(), asked.minutes, say)
    output = asked.output or AVAILABILITY
    write_text(output, found.model_dump_json(indent=1) + "\n")
    point = found.soak.point
    say(
        f"{100 * found.available:.3f} % of {point.answers + point.failed} requests answered, "
        f"{found.records_lost} of {found.records_acknowledged} records lost; wrote {output}"
    )
    return KEPT if found.available >= soak.PROMISED and not found.records_lost else BROKEN


def say(line: str) -> None:
    """Tell how far it has come."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.drills",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="drills; or `soak` alone")
    parser.add_argument("--list", action="store_true", help="tell names and promises")
    parser.add_argument("--minutes", type=float, default=5.0, help="of soak (default: 5)")
    parser.add_argument(
        "--rate", type=float, help="of soak, requests a second (default: half of the kept peak)"
    )
    parser.add_argument("--store", help="bundle store (default: that of serving)")
    parser.add_argument(
        "--prepared", type=Path, default=Path("data/prepared"), help="tickets that soak asks about"
    )
    parser.add_argument("--work", type=Path, default=WORK, help="folder for what is started")
    parser.add_argument("--output", type=Path, help="of the report")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in {*DRILLS, "soak"}]:
        parser.error(f"{', '.join(unknown)}: known are {', '.join(DRILLS)} and soak")
    if "soak" in asked.names and len(asked.names) > 1:
        parser.error("soak is asked for alone")
    return asked


if __name__ == "__main__":
    sys.exit(main())
