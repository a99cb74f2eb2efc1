"""Command: how often drift is told where nothing moved, and whether it is where something did.

python -m pipelines.drift_controls
python -m pipelines.drift_controls --windows 200 --tickets 1000 --bundle VERSION

Windows are drawn from the tickets of the test split, which no member has learned from, and held
against the reference that the bundle carries, with the vectors of its own encoder and the limits of
params.yaml. Some are left as they come; in others one class comes twice as often, or some tickets
are those of another desk (the bundled sample). The outcome lies in
evaluation/reports/drift_controls.json.
"""

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.catalog import CATALOG, read_catalog
from data.durable import write_text
from data.errors import DataError, TicketAssistantError
from data.fetching import SAMPLE
from data.prepared import Prepared, read_prepared
from data.schema import Ticket
from data.text import model_text
from evaluation.drift import find_drift
from evaluation.drift_report import Rules, WindowFacts
from evaluation.drift_window import Answers, Window, make_window
from evaluation.intervals import exact_interval
from models.bundle import load
from models.manifest import read_manifest
from models.publishing import open_store
from models.runtime_choice import AUTO
from pipelines import run
from pipelines.drift_windows import Assistant, Source, read_bundle
from pipelines.params import read_params
from pipelines.progress import counted
from pipelines.score import find_bundle

logger = logging.getLogger(__name__)

OUTPUT = Path("evaluation/reports/drift_controls.json")
ALIKE = "as they come"
OTHERS = (0.1, 0.3)
"""Shares of a window that are tickets of another desk."""

Rows = NDArray[np.int64]


class Pool:
    """Tickets with their answers and vectors, made once; windows are drawn from them.

    Parameters
    ----------
    languages : of each ticket, as its desk's own detector told them
    """

    def __init__(
        self, texts: Sequence[str], languages: Sequence[str | None], source: Source
    ) -> None:
        assert source.assistant is not None, "windows are answered by the bundle"
        self._texts, self._languages, self._source = list(texts), list(languages), source
        classes = source.assistant.targets
        self._answers = {
            target: Answers.of(classes[target], matrix)
            for target, matrix in source.assistant.predict_proba(self._texts).items()
        }
        self._vectors = source.vectors(self._texts)

    def window(self, rows: Rows, name: str) -> Window:
        """Some of them, in the order of their rows."""
        rows = np.sort(rows)
        return make_window(
            WindowFacts(name=name, tickets=len(rows)),
            [self._texts[row] for row in rows],
            ids=[str(row) for row in rows],
            languages=[self._languages[row] for row in rows],
            known=self._source.known,
            targets={target: answers.take(rows) for target, answers in self._answers.items()},
            embeddings=None if self._vectors is None else self._vectors[rows],
            encoder=self._source.encoder,
        )


def conditions(
    labels: Sequence[str | None], others: int, tickets: int, windows: int, seed: int
) -> Iterator[tuple[str, Rows]]:
    """Condition and rows of each window; rows from len(labels) on are tickets of another desk.

    Raises
    ------
    DataError
        If there are too few tickets to draw from.
    """
    own, rng = len(labels), np.random.default_rng(seed)
    if tickets > own // 2:
        raise DataError(f"windows of {tickets} of {own} tickets would be the same ones: ask fewer")
    for _ in range(windows):
        yield ALIKE, rng.choice(own, tickets, replace=False)
    counts = Counter(label for label in labels if label is not None)
    for name, _ in sorted(counts.items()):
        weights = np.array([2.0 if label == name else 1.0 for label in labels])
        for _ in range(max(1, windows // 10)):
            rows = rng.choice(own, tickets, replace=False, p=weights / weights.sum())
            yield f"twice as much {name}", rows
    for share in OTHERS:
        foreign = min(int(share * tickets), others)
        for _ in range(max(1, windows // 10)):
            from_elsewhere = own + rng.choice(others, foreign, replace=False)
            rows = rng.choice(own, tickets - foreign, replace=False)
            yield f"{share:.0%} of another desk", np.concatenate([rows, from_elsewhere])


def measure(
    reference: Window, pool: Pool, drawn: Sequence[tuple[str, Rows]], rules: Rules, seed: int
) -> dict[str, dict[str, object]]:
    """Condition -> windows, how many of them drifted, the actions, and which checks told so."""
    windows: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    actions: dict[str, Counter[str]] = {}
    checks: dict[str, Counter[str]] = {}
    with counted("drift", len(drawn)) as advance:
        for condition, rows in drawn:
            found = find_drift(reference, pool.window(rows, condition), rules, seed)
            windows[condition] += 1
            flagged[condition] += found.drifted
            actions.setdefault(condition, Counter())[found.action] += 1
            checks.setdefault(condition, Counter()).update(
                check.name for check in found.checks if check.drifted
            )
            advance(1)
    return {
        condition: {
            "windows": n,
            "drifted": flagged[condition],
            "share": flagged[condition] / n,
            "share_ci": exact_interval(flagged[condition], n),
            "actions": dict(actions[condition]),
            "checks": dict(checks[condition].most_common()),
        }
        for condition, n in windows.items()
    }


def run_controls(
    prepared: Prepared,
    folder: Path,
    assistant: Assistant,
    rules: Rules,
    *,
    windows: int,
    tickets: int,
    others: Sequence[Ticket],
    seed: int,
) -> Mapping[str, object]:
    """All conditions on one bundle; see the head of this module."""
    manifest = read_manifest(folder)
    reference, source = read_bundle(folder, manifest.targets)
    source = Source(source.known, source.encoder, assistant, source.classes, seed=seed)
    test, texts = prepared.rows("test"), prepared.texts()
    own = [texts[row] for row in test]
    spoken = [one if isinstance(one, str) else None for one in prepared.frame["language"]]
    pool = Pool(
        own + [model_text(ticket.full_text) for ticket in others],
        [spoken[row] for row in test] + [ticket.language for ticket in others],
        source,
    )
    target = next(iter(prepared.targets))
    labels = prepared.labels(target)
    drawn = list(conditions([labels[row] for row in test], len(others), tickets, windows, seed))
    return {
        "dataset": prepared.summary["dataset"],
        "bundle": manifest.version,
        "encoder": source.encoder,
        "tickets": tickets,
        "reference": len(reference),
        "rules": rules.model_dump(mode="json"),
        "conditions": measure(reference, pool, drawn, rules, seed),
    }


def sample_tickets(root: Path) -> list[Ticket]:
    """The tickets of the bundled sample."""
    entry = read_catalog(root / CATALOG)[SAMPLE]
    lines = (root / entry.path[0]).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [Ticket(text=row["text"], language=row["language"]) for row in rows]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the arguments say; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.drift_controls")
    parser.add_argument("--windows", type=int, default=200, help="left as they come")
    parser.add_argument("--tickets", type=int, default=1000, help="of a window")
    parser.add_argument("--bundle", help="folder or published version; default: the champion")
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared"))
    parser.add_argument("--output", type=Path, default=OUTPUT)
    asked = parser.parse_args(arguments)
    run.begin()
    params = read_params()
    try:
        folder = find_bundle(asked.bundle, open_store())
        told = run_controls(
            read_prepared(asked.prepared),
            folder,
            load(folder, runtime=AUTO)[1],
            params.drift,
            windows=asked.windows,
            tickets=asked.tickets,
            others=sample_tickets(Path.cwd()),
            seed=params.seed,
        )
    except TicketAssistantError as error:
        logger.error("%s", error)
        return 1
    write_text(asked.output, json.dumps(told, indent=1) + "\n")
    for condition, found in dict(told["conditions"]).items():  # type: ignore[call-overload]
        sys.stdout.write(
            f"{condition}: {found['drifted']} of {found['windows']} {found['actions']}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
