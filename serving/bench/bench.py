"""Goes through a plan: starts each system, compares its decisions, puts each load on it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx

from data.durable import write_text
from evaluation.bench_records import PointFigures, SystemFacts
from serving.bench.comparing import Decisions, ask, from_json, share_alike, to_json
from serving.bench.keeping import Kept
from serving.bench.load import HttpLoad, Load
from serving.bench.measuring import in_process, over_http
from serving.bench.plan import Plan, Point
from serving.bench.processes import Server
from serving.bench.starting import start_cold, started
from serving.bench.systems.catalogue import OURS, SYSTEMS, System, environment
from serving.bench.workplace import Workplace


@dataclass(frozen=True)
class Bench:
    """One run of a plan.

    Attributes
    ----------
    texts : what is asked about, as it stands in the workplace
    say : told what is being done, a line at a time
    only : systems that are measured now; empty: all
    """

    plan: Plan
    workplace: Workplace
    kept: Kept
    texts: list[str]
    say: Callable[[str], None]
    seed: int = 1
    only: tuple[str, ...] = ()

    def run(self) -> None:
        """Measure all points that are left, then cold starts.

        Raises
        ------
        BenchError
            If a system does not start, ends under load or answers no ticket.
        """
        for name, workers in self.plan.systems:
            points = [p for p in self._left() if (p.system, p.workers) == (name, workers)]
            if not points:
                continue
            if SYSTEMS[name].start is None:
                self.kept.keep_system(_facts(SYSTEMS[name], workers))
                for point in points:
                    self._keep(point, self._alone)
            else:
                self._measure(SYSTEMS[name], workers, points)
        if self.plan.starts and not self.kept.report.cold_starts and self._asked(OURS):
            self.say(f"cold start of {OURS}, {self.plan.starts} times")
            cold = start_cold(self.workplace, 1, self.plan.starts)
            self.kept.keep(cold_starts=(cold,))

    def _asked(self, system: str) -> bool:
        return not self.only or system in self.only

    def _left(self) -> list[Point]:
        return [point for point in self.kept.open_points(self.plan) if self._asked(point.system)]

    def _measure(self, system: System, workers: int, points: list[Point]) -> None:
        self.say(f"starting {system.name}, workers: {workers}")
        with started(self.workplace, system, workers) as server:
            self.kept.keep_system(self._compared(system, workers, server))
            for point in points:
                self._keep(point, lambda p: over_http(p, server, self.load_of(p, server.port)))

    def _keep(self, point: Point, measure: Callable[[Point], PointFigures]) -> None:
        left = self._left()
        total = len(self.plan.all_points())
        time_left = timedelta(seconds=round(self.plan.seconds_of(left)))
        self.say(f"[{total - len(left) + 1}/{total}] {point}; about {time_left} left")
        found = measure(point)
        self.kept.keep_point(found)
        self.say(
            f"    {found.requests_per_second:.1f}/s, p50 {found.p50_ms} ms, p99 {found.p99_ms} ms, "
            f"{found.failed} failed"
        )

    def _alone(self, point: Point) -> PointFigures:
        """The runtime without a service; workers are processes that work at the same time."""
        loads = [
            Load(
                texts=self.workplace.texts, clients=point.clients, repeated=point.repeated,
                capitals=SYSTEMS[point.system].capitals,
                seconds=self.plan.seconds, warm=self.plan.warm, seed=self.seed,
                stream=1_000 * number + self._stream(point),
            )
            for number in range(point.workers)
        ]  # fmt: skip
        system, kept = SYSTEMS[point.system], self.workplace.fresh(point.system)
        told = environment(system, 1, self.workplace.store, self.workplace.bundle, kept)
        return in_process(point, loads, told)

    def load_of(self, point: Point, port: int) -> HttpLoad:
        """What is sent to the server of a point."""
        system = SYSTEMS[point.system]
        return HttpLoad(
            texts=self.workplace.texts, clients=point.clients, rate=point.rate,
            repeated=point.repeated, capitals=system.capitals, seconds=self.plan.seconds,
            warm=self.plan.warm, seed=self.seed, stream=self._stream(point), port=port,
            path=system.path, listed=system.listed,
        )  # fmt: skip

    def _stream(self, point: Point) -> int:
        """The same for all systems at one load, so that all are asked the same."""
        loads = [(p.clients, p.rate, p.repeated) for p in self.plan.points(OURS, 1)]
        return loads.index((point.clients, point.rate, point.repeated))

    def _compared(self, system: System, workers: int, server: Server) -> SystemFacts:
        """What is known of a system that has just got ready; it has answered some tickets then."""
        texts = self.texts[: self.plan.compared]
        with httpx.Client(base_url=server.url, timeout=60) as client:
            found = ask(client, system, texts)
        reference = self._reference(found if system.name == OURS else None)
        known = _facts(system, workers).model_copy(
            update={"ready_seconds": round(server.ready_seconds, 2)}
        )
        if reference is None:
            return known
        alike = {"same_decisions": share_alike(reference, found), "compared": len(texts)}
        return known.model_copy(update=alike)

    def _reference(self, ours: list[Decisions] | None) -> list[Decisions] | None:
        """The decisions of ours, kept for the systems after it; None before there are any."""
        path = self.workplace.root / f"decisions-{self.plan.profile}.json"
        if ours is not None:
            write_text(path, to_json(ours))
            return ours
        return from_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def _facts(system: System, workers: int) -> SystemFacts:
    """What is known of a system before it is started."""
    return SystemFacts(
        name=system.name,
        title=system.title,
        tells=system.tells,
        workers=workers,
        ready_seconds=None,
        same_decisions=None,
    )
