"""What learning a proposed label would do, tried before it enters the catalog.

A linear model is cross-fitted on old tickets and the proposals, once with and once without them.
Told are how well the new label is found, whether its answers could be certified, which old class
its tickets resemble most, and what that class loses.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.catalog import CATALOG, read_catalog
from data.errors import DataError
from data.feedback_files import FeedbackFiles
from data.feedback_rows import FeedbackRow
from data.prepared import Prepared, read_prepared
from data.schema import Record
from data.text import model_text
from evaluation.trust import newest_of_each, text_keys
from models.linear import LinearMember, LinearParams
from models.routing import RoutingParams, fit_policy
from pipelines.params import Params, read_params
from pipelines.train import PREPARED

FOLDS = 2
LEAST = 10
"""Tickets of a label below which nothing can be tried."""


class Trial(Record):
    """What was found of one proposed label; figures are None where there are too few tickets."""

    target: str
    label: str
    tickets: int
    authors: int
    nearest: str
    """The label that the bundle gave most of these tickets."""
    nearest_share: float
    old_tickets: int = 0
    recall: float | None = None
    precision: float | None = None
    certified: bool | None = None
    why: str = ""
    nearest_recall_before: float | None = None
    nearest_recall_after: float | None = None


class _Answers(NamedTuple):
    """Cross-fitted answers with what is right; rows (n, k) and positions (n,)."""

    probabilities: NDArray[np.float64]
    truth: NDArray[np.int64]
    classes: tuple[str, ...]

    def recall(self, label: str) -> float | None:
        """Share of the tickets of a class that are found."""
        rows = self.truth == self.classes.index(label)
        if not rows.any():
            return None
        return round(float((self.probabilities[rows].argmax(axis=1) == self.truth[rows]).mean()), 4)

    def precision(self, label: str) -> float | None:
        """Share of the answers of a class that are right."""
        rows = self.probabilities.argmax(axis=1) == self.classes.index(label)
        if not rows.any():
            return None
        return round(float((self.truth[rows] == self.classes.index(label)).mean()), 4)


def find_proposals(files: FeedbackFiles) -> dict[tuple[str, str], list[FeedbackRow]]:
    """(Target, label) -> one row per ticket text, of batches that are neither revoked nor held."""
    found: dict[tuple[str, str], list[FeedbackRow]] = defaultdict(list)
    for batch in files.batches.values():
        if not batch.revoked:
            for row in files.read(batch, "proposals"):
                if row.label and batch.held_by(row) is None:
                    found[row.target, row.label].append(row)
    return {
        name: list(dict(zip(text_keys(kept), kept, strict=True)).values())
        for name, rows in sorted(found.items())
        if (kept := newest_of_each(rows)[0])
    }


def try_label(
    target: str,
    label: str,
    rows: Sequence[FeedbackRow],
    prepared: Prepared,
    params: Params,
    limit: int,
) -> Trial:
    """Back-test of one label against old train tickets, `limit` of them at most.

    Raises
    ------
    DataError
        If the prepared data know no such target.
    """
    if target not in prepared.targets:
        raise DataError(
            f"the prepared data have no target {target!r}: {', '.join(prepared.targets)}"
        )
    nearest, count = Counter(row.predicted for row in rows).most_common(1)[0]
    trial = Trial(
        target=target,
        label=label,
        tickets=len(rows),
        authors=len({row.name for row in rows}),
        nearest=nearest,
        nearest_share=round(count / len(rows), 4),
    )
    if len(rows) < LEAST:
        return trial.model_copy(update={"why": f"fewer than {LEAST} tickets: nothing to try"})
    texts, labels = _old(prepared, target, limit, params.seed)
    before = _cross_fit(texts, labels, params)
    new = [model_text(row.ticket.full_text) for row in rows]
    after = _cross_fit([*texts, *new], [*labels, *[label] * len(new)], params)
    certified, why = _certify(after, label, params.routing)
    found = {
        "old_tickets": len(texts),
        "recall": after.recall(label),
        "precision": after.precision(label),
        "certified": certified,
        "why": why,
    }
    if nearest in before.classes:
        found["nearest_recall_before"] = before.recall(nearest)
        found["nearest_recall_after"] = after.recall(nearest)
    return trial.model_copy(update=found)


def render_proposals(files: FeedbackFiles, limit: int) -> str:
    """All proposed labels with what trying them has shown, and how one enters."""
    proposals = find_proposals(files)
    if not proposals:
        return "nobody proposed a label that the bundles do not know"
    params = read_params()
    prepared = read_prepared(PREPARED)
    dataset = read_catalog(CATALOG)[params.dataset]
    lines = []
    for (target, label), rows in proposals.items():
        trial = try_label(target, label, rows, prepared, params, limit)
        entered = label in dataset.labels.get(target, ())
        lines.append(_told(trial, entered))
    lines.append(
        "A label enters by standing in data/catalog.yaml under labels, where all labels of the "
        "target are listed; the next `make retrain` learns it."
    )
    return "\n".join(lines)


def _told(trial: Trial, entered: bool) -> str:
    lines = [
        f"{trial.target}: {trial.label}" + (" (in the catalog)" if entered else ""),
        f"  {trial.tickets} tickets by {trial.authors} authors; the bundle called "
        f"{trial.nearest_share:.0%} of them {trial.nearest}",
    ]
    if trial.certified is None:
        return "\n".join([*lines, f"  {trial.why}"])
    lines += [
        f"  beside {trial.old_tickets:,} old tickets: recall {_share(trial.recall)}, precision "
        f"{_share(trial.precision)}",
        f"  {'would be certified' if trial.certified else 'would not be certified'}: {trial.why}",
    ]
    if trial.nearest_recall_before is not None:
        lines.append(
            f"  recall of {trial.nearest}: {_share(trial.nearest_recall_before)} without it, "
            f"{_share(trial.nearest_recall_after)} with it"
        )
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def _old(prepared: Prepared, target: str, limit: int, seed: int) -> tuple[list[str], list[str]]:
    """Train tickets with a label, drawn evenly."""
    labels, texts = prepared.labels(target), prepared.texts()
    rows = [int(row) for row in prepared.rows("train") if labels[row] is not None]
    drawn = np.random.default_rng(seed).permutation(len(rows))[:limit]
    kept = [rows[i] for i in sorted(drawn)]
    return [texts[i] for i in kept], [str(labels[i]) for i in kept]


def _cross_fit(texts: Sequence[str], labels: Sequence[str], params: Params) -> _Answers:
    classes = tuple(sorted(set(labels)))
    fold = np.random.default_rng(params.seed).permutation(len(texts)) % FOLDS
    probabilities = np.zeros((len(texts), len(classes)))
    few = LinearParams(**params.linear.model_dump() | {"max_features": 30_000})
    for number in range(FOLDS):
        fit = [i for i, own in enumerate(fold) if own != number]
        ask = [i for i, own in enumerate(fold) if own == number]
        member = LinearMember(few).fit([texts[i] for i in fit], {"of": [labels[i] for i in fit]})
        columns = [classes.index(name) for name in member.targets_["of"]]
        found = member.predict_proba([texts[i] for i in ask])["of"]
        for column, values in zip(columns, found.T, strict=True):
            probabilities[ask, column] = values
    truth = np.array([classes.index(label) for label in labels], dtype=np.int64)
    return _Answers(probabilities, truth, classes)


def _certify(answers: _Answers, label: str, routing: RoutingParams) -> tuple[bool, str]:
    half = np.arange(len(answers.truth)) % 2 == 0
    policy = fit_policy(
        (answers.probabilities[half], answers.truth[half]),
        (answers.probabilities[~half], answers.truth[~half]),
        answers.classes,
        routing,
        "back-test",
    )
    found = policy.classes[label]
    return found.certified, found.reason
