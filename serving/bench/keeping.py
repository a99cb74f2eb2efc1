"""What is measured so far, on disk after every point: whoever begins again goes on from there."""

from collections.abc import Collection
from pathlib import Path

from data.durable import write_text
from evaluation.bench_records import BenchReport, PointFigures, SystemFacts
from serving.bench.plan import Plan, Point
from serving.bench.processes import BenchError
from serving.bench.systems.catalogue import SYSTEMS

SAME = ("profile", "machine", "bundle", "texts", "libraries", "generator", "seed")
"""What two runs must have in common for their points to stand side by side."""


class Kept:
    """The report of a benchmark that may not be whole yet.

    Parameters
    ----------
    path : where it is kept
    begun : the report without a point
    again : forget what an earlier run measured

    Raises
    ------
    BenchError
        If an earlier run measured something else, and is not to be forgotten.
    """

    def __init__(self, path: Path, begun: BenchReport, *, again: bool = False) -> None:
        self._path = path
        self.report = begun
        if again or not path.is_file():
            return
        earlier = BenchReport.model_validate_json(path.read_text(encoding="utf-8"))
        if other := [name for name in SAME if getattr(earlier, name) != getattr(begun, name)]:
            raise BenchError(
                f"{path} was measured with another {' and another '.join(other)}: "
                "--again forgets it and begins anew"
            )
        self.report = earlier

    def keep(self, **changes: object) -> None:
        """Replace fields of the report, on disk too."""
        self.report = self.report.model_copy(update=changes)
        write_text(self._path, to_json(self.report))

    def keep_point(self, found: PointFigures) -> None:
        """Add a point."""
        self.keep(points=(*self.report.points, found))

    def keep_system(self, facts: SystemFacts) -> None:
        """Add what is known of a system, in place of what an earlier start told."""
        others = [
            known
            for known in self.report.systems
            if (known.name, known.workers) != (facts.name, facts.workers)
        ]
        self.keep(systems=(*others, facts))

    def forget(self, systems: Collection[str]) -> None:
        """Leave out what was measured of some systems, so that they are measured anew."""
        self.keep(
            points=tuple(p for p in self.report.points if p.system not in systems),
            systems=tuple(facts for facts in self.report.systems if facts.name not in systems),
        )

    def open_points(self, plan: Plan) -> list[Point]:
        """What of the plan is not measured yet, in its order."""
        done = {
            Point(p.system, p.workers, p.clients, p.rate, p.repeated) for p in self.report.points
        }
        return [point for point in plan.all_points() if point not in done]

    def missing(self, plan: Plan) -> list[str]:
        """What a whole report still lacks, in words."""
        points = len(self.open_points(plan))
        return [
            *([f"{points} points"] if points else []),
            *(["cold starts"] if plan.starts and not self.report.cold_starts else []),
            *([] if self.report.bulk else ["bulk scoring"]),
        ]


def to_json(report: BenchReport) -> str:
    """The report as a file that people can compare line by line.

    Systems stand in the order of their catalogue, also those that were measured again.
    """
    places = {name: place for place, name in enumerate(SYSTEMS)}
    ordered = sorted(report.systems, key=lambda one: (places[one.name], one.workers))
    return report.model_copy(update={"systems": tuple(ordered)}).model_dump_json(indent=1) + "\n"
