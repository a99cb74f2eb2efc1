"""Command `league`: run the public benchmarks, all without a name, and keep the figures.

Results go to evaluation/reports/league.json as soon as each benchmark is done; those of benchmarks
not asked for stay as they were.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evaluation.league.results import LEAGUE
from evaluation.league.running import BENCHMARKS, run_league
from pipelines import run
from pipelines.params import read_params

SMALL = Path(".cache/league/small.json")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--small", action="store_true", help="a slice of the data, kept apart")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}")
    run.begin(read_params().seed)
    wanted = {name: BENCHMARKS[name] for name in asked.names} if asked.names else BENCHMARKS
    run_league(wanted, Path.cwd(), SMALL if asked.small else LEAGUE, small=asked.small)


if __name__ == "__main__":
    main()
