"""Command: measure our service beside others, in one run, and write evaluation/reports/bench.json.

python -m serving.bench                    all of it, on the bundle that is published
python -m serving.bench --quick            a few seconds per point, into bench-quick.json
python -m serving.bench --soak 10          a fixed rate for ten minutes, into the same report
python -m serving.bench --bulk 5000 1000000   files of so many rows scored, into the same report

An interrupted run goes on where it stopped. Nothing else should use the machine meanwhile.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import get_args

from data.durable import write_text
from data.errors import TicketAssistantError
from data.prepared import read_prepared
from data.schema import Detail
from evaluation.bench_records import BenchReport
from models.publishing import open_store
from models.runtime_choice import Precision
from serving.bench.bench import Bench
from serving.bench.bulk import repeated, score_file, some_of
from serving.bench.choosing import choose_texts
from serving.bench.keeping import Kept, to_json
from serving.bench.machine import describe_machine, library_versions
from serving.bench.plan import FULL, QUICK, Plan
from serving.bench.soak import hold
from serving.bench.systems.catalogue import OURS, SYSTEMS
from serving.bench.workplace import Workplace, prepare

REPORTS = Path("evaluation/reports")
WORK = Path(".cache/bench")
DONE, STOPPED, INTERRUPTED = 0, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the arguments say; gives the exit status."""
    asked = read_arguments(arguments)
    plan = QUICK if asked.quick else FULL
    output = asked.output or REPORTS / ("bench-quick.json" if asked.quick else "bench.json")
    try:
        return run(asked, plan, output)
    except TicketAssistantError as error:
        say(str(error))
        return STOPPED
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        return INTERRUPTED


def run(asked: argparse.Namespace, plan: Plan, output: Path) -> int:
    """Measure what is asked for and not kept yet; write the report once it is whole."""
    facts, texts = choose_texts(asked.prepared, seed=asked.seed)
    workplace = prepare(asked.work, open_store(asked.store), texts)
    begun = BenchReport(
        profile=plan.profile,
        machine=describe_machine(),
        bundle=workplace.version,
        texts=facts,
        libraries=library_versions(),
        generator=f"asyncio and httptools {version('httptools')}, a process of its own",
        seed=asked.seed,
    )
    everything_again = asked.again and not asked.only
    kept = Kept(asked.work / f"{plan.profile}.json", begun, again=everything_again)
    if asked.again and asked.only:
        kept.forget(asked.only)
    if asked.soak:
        soak(asked, workplace, kept)
    elif asked.bulk:
        bulk(asked, workplace, kept, asked.bulk)
    else:
        Bench(plan, workplace, kept, texts, say, asked.seed, tuple(asked.only)).run()
        if not kept.report.bulk and (not asked.only or OURS in asked.only):
            bulk(asked, workplace, kept, [plan.bulk_rows])
    if missing := kept.missing(plan):
        say(f"the report is not whole yet: {', '.join(missing)} to measure")
        return DONE
    write_text(output, to_json(kept.report))
    say(f"wrote {output}; `python -m evaluation.readme` puts it into the tables")
    return DONE


def bulk(
    asked: argparse.Namespace, workplace: Workplace, kept: Kept, sizes: Sequence[int | None]
) -> None:
    """Score files of tickets of all splits, over and over where more rows are asked for."""
    texts = read_prepared(asked.prepared).texts()
    for size in sizes:
        more = size is not None and size > len(texts)
        rows = repeated(texts, size) if more and size else some_of(texts, size, asked.seed)
        say(f"scoring a file of {size or len(texts):,} tickets")
        folder = workplace.fresh("bulk")
        found = score_file(workplace.bundle, rows, folder, asked.detail, asked.precision)
        same = {(b.rows, b.detail, b.precision): b for b in kept.report.bulk}
        same[found.rows, found.detail, found.precision] = found
        kept.keep(bulk=tuple(same[key] for key in sorted(same)))
        say(f"    {found.seconds:.1f} s, {found.peak_mib:.0f} MiB at most")


def soak(asked: argparse.Namespace, workplace: Workplace, kept: Kept) -> None:
    """Hold one rate, and keep what came of it."""
    say(f"{asked.rate:g} requests a second for {asked.soak:g} minutes, {asked.workers} workers")
    name = asked.only[0] if asked.only else OURS
    found = hold(workplace, asked.rate, asked.soak, asked.workers, asked.seed, name)
    kept.keep(soak=found)
    point, slope = found.point, found.mib_per_hour
    growth = "memory not followed" if slope is None else f"{slope:+.1f} MiB an hour"
    say(
        f"    {point.requests_per_second:.1f}/s, p99 {point.p99_ms} ms, {point.failed} failed, "
        f"{growth}"
    )


def say(line: str) -> None:
    """Tell how far it has come."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.bench", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds per point")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="only hold a fixed rate")
    parser.add_argument(
        "--bulk", type=int, nargs="+", metavar="ROWS", help="only score files of so many rows"
    )
    parser.add_argument("--detail", choices=get_args(Detail), default="full", help="of --bulk")
    parser.add_argument(
        "--precision", choices=get_args(Precision), default="same", help="of --bulk"
    )
    parser.add_argument("--rate", type=float, default=167.0, help="of --soak, requests a second")
    parser.add_argument("--workers", type=int, default=2, help="of --soak")
    parser.add_argument(
        "--only", nargs="+", default=[], choices=list(SYSTEMS), help="measure these systems now"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="forget what was measured before, of --only where given",
    )
    parser.add_argument("--store", help="bundle store (default: that of serving)")
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"))
    parser.add_argument("--work", type=Path, default=WORK, help="folder for what is started")
    parser.add_argument("--output", type=Path, help="default: bench.json in evaluation/reports")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
