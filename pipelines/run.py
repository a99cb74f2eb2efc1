"""The one place where logging, seeds and MLflow runs begin.

    with run.stage("train-linear", record=Path("..."), params={...}, seed=7) as tracked:
        tracked.log_metrics({"category.valid.accuracy": 0.87})

What a stage writes is a function of files and params; seconds, memory and the id of the run are
not, so they go to `record`, a file of its own that no stage depends on.
"""

import json
import logging
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from data.correlation import find_correlation
from data.durable import write_text
from pipelines.environment import configure_logging, set_seed, set_switches
from pipelines.revision import read_revision
from pipelines.tracking import Tracker, start_tracking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

PREPARED = Path("data/prepared")


class StageRun:
    """What a stage tells about itself while it runs; silent where tracking is off."""

    def __init__(self, tracker: Tracker | None, figures: Path) -> None:
        self._tracker = tracker
        self._figures = figures
        self.facts: dict[str, Any] = {}
        self.tags: dict[str, str] = {}

    @property
    def run_id(self) -> str | None:
        """Id of the MLflow run, waited for where it is not open yet."""
        return self._tracker.run_id if self._tracker else None

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record metrics, of one step where there are several."""
        if self._tracker:
            self._tracker.log_metrics(metrics, step or 0)

    def log_figure(self, figure: "Figure", name: str) -> None:
        """Record a matplotlib figure; the suffix of `name` gives its type."""
        if not self._tracker:
            return
        try:
            figure.savefig(self._figures / name)
        except OSError as error:
            logger.error("%s is not tracked: %s", name, error)
        else:
            self._tracker.log_file(self._figures / name)

    def note(self, **facts: Any) -> None:
        """Add keys to the JSON record."""
        self.facts.update(facts)

    def tag(self, **tags: str) -> None:
        """Add tags to the run, such as `data_fingerprint`."""
        self.tags.update(tags)
        if self._tracker:
            self._tracker.set_tags(tags)


def begin(seed: int = 0) -> None:
    """Set the environment, the logging and the seed; all that a command needs."""
    set_switches()
    configure_logging()
    set_seed(seed)


@contextmanager
def stage(
    name: str,
    *,
    record: Path | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    seed: int = 0,
    prepared: Path | None = PREPARED,
) -> Iterator[StageRun]:
    """Run a stage: environment set, tracked in MLflow, measured, recorded.

    Parameters
    ----------
    record : JSON file written when the block ends well: stage, seconds, peak_mib, run_id where the
        run is tracked, and whatever was noted
    params, tags : logged with the run; nested params under dotted names
    prepared : folder whose summary.json names the fingerprint of the data; None for a stage that
        comes before it

    Notes
    -----
    TICKETS_TRACKING=off switches tracking off. `peak_mib` is the largest resident set of this
    process since its start, or of a child it waited for if that was larger; the process that
    tracks the stage is not among them.
    """
    begin(seed)
    began = time.perf_counter()
    tracker = start_tracking(Path.cwd(), name, {**_tags(name), **(tags or {})})
    if tracker and params:
        tracker.log_params(params)
    status = "FAILED"
    with TemporaryDirectory() as figures:
        tracked = StageRun(tracker, Path(figures))
        tracked.tags.update(tags or {})
        try:
            yield tracked
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            seconds, peak = round(time.perf_counter() - began, 2), round(peak_mib(), 1)
            if tracker:
                if prepared and "data_fingerprint" not in tracked.tags:
                    found = find_fingerprint(prepared)
                    tracker.set_tags({"data_fingerprint": found} if found else {})
                tracker.log_metrics({"seconds": seconds, "peak_mib": peak}, 0)
                tracker.end(status)
    if record:
        facts = {"stage": name, "seconds": seconds, "peak_mib": peak}
        if tracked.run_id:
            facts["run_id"] = tracked.run_id
        write_text(record, json.dumps({**facts, **tracked.facts}, indent=1) + "\n")
    logger.info("%s took %.1f s and %.0f MiB at most", name, seconds, peak)


def peak_mib() -> float:
    """Largest resident set of this process or of one of its children that ended, in MiB."""
    largest = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return largest / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere


def _tags(name: str) -> dict[str, str]:
    revision = read_revision(Path.cwd())
    known = {
        "stage": name,
        "git.commit": revision.commit,
        "git.dirty": None if revision.dirty is None else str(revision.dirty).lower(),
        "dvc.stage": os.environ.get("DVC_STAGE"),
        "dvc.exp": os.environ.get("DVC_EXP_NAME"),
        "dvc.rev": os.environ.get("DVC_EXP_BASELINE_REV"),
        "correlation": find_correlation(),
    }
    return {key: value for key, value in known.items() if value}


def find_fingerprint(prepared: Path) -> str | None:
    """The fingerprint of the tickets that are prepared in a folder; None where there are none."""
    try:
        summary = json.loads((prepared / "summary.json").read_text(encoding="utf-8"))
        return str(summary["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
