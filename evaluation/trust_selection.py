"""What of all feedback is learned from, and for every row that is not, why.

In this order: revoked and quarantined rows go; of each author the last word on a question counts;
tickets that are golden go, and those that the audit drew unless `learn_audit` says otherwise: live
accuracy and the gate rest on them; authors not believed go, but for batches that a person has
released; what is over a cap waits; then one label is found per ticket text and target, by a vote in
which each author weighs as much as the lower bound of the rate of agreement. A tie teaches nothing.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from data.feedback_files import Batch
from data.feedback_rows import FeedbackRow
from evaluation.trust import (
    Author,
    GoldenAnswers,
    judge,
    newest_of_each,
    score_authors,
    text_keys,
)
from evaluation.trust_params import CapParams, FeedbackParams

Why = Literal[
    "revoked",
    "quarantined",
    "golden",
    "evidence",
    "superseded",
    "author_not_believed",
    "over_author_day",
    "over_author_class",
    "over_class_day",
    "conflict",
    "outvoted",
    "duplicate",
]


@dataclass(frozen=True)
class Selection:
    """What is learned from.

    Attributes
    ----------
    chosen : one row per ticket text and target, the oldest first
    set_aside : every other row, with the reason
    authors : by name, whatever became of their rows
    """

    chosen: list[FeedbackRow]
    set_aside: list[tuple[FeedbackRow, Why]]
    authors: dict[str, Author] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Reason -> rows set aside."""
        return dict(sorted(Counter(why for _, why in self.set_aside).items()))


def select(
    batches: Iterable[tuple[Batch, Sequence[FeedbackRow]]],
    golden: GoldenAnswers,
    params: FeedbackParams,
) -> Selection:
    """Choose from the rows of all batches; pure, and independent of the order of the batches."""
    aside: list[tuple[FeedbackRow, Why]] = []
    free: list[FeedbackRow] = []
    evidence: list[FeedbackRow] = []
    vouched: set[str] = set()
    for batch, rows in batches:
        if batch.revoked:
            aside += [(row, "revoked") for row in rows]
            continue
        if batch.released:
            vouched.update(row.key for row in rows)
        else:
            # What is held back is not learned, and tells of its author all the same.
            evidence += rows
        for row in rows:
            if batch.held_by(row) is not None:
                aside.append((row, "quarantined"))
            else:
                free.append(row)
    rows, replaced = newest_of_each(free)
    aside += [(row, "superseded") for row in replaced]
    new = judge(0, 0, params)
    authors = dict.fromkeys((row.name for row in rows), new)
    authors |= score_authors(newest_of_each(evidence)[0], golden, params)
    believed = []
    for row in rows:
        if row.prediction_id in golden:
            aside.append((row, "golden"))
        elif row.origin == "audit" and not params.learn_audit:
            aside.append((row, "evidence"))
        elif not authors[row.name].believed and row.key not in vouched:
            aside.append((row, "author_not_believed"))
        else:
            believed.append(row)
    within, over = apply_caps(believed, authors, params.caps)
    chosen, lost = vote(within, authors)
    return Selection(chosen, [*aside, *over, *lost], authors)


def apply_caps(
    rows: Sequence[FeedbackRow], authors: Mapping[str, Author], caps: CapParams
) -> tuple[list[FeedbackRow], list[tuple[FeedbackRow, Why]]]:
    """The rows within all caps, and those over one with its name.

    Which rows of a day fill a cap is drawn by a hash of the prediction's id, which no author has a
    say in.
    """
    kept: list[FeedbackRow] = []
    over: list[tuple[FeedbackRow, Why]] = []
    by_day: Counter[object] = Counter()
    by_class_day: Counter[object] = Counter()
    for row in sorted(rows, key=lambda row: (row.at.date(), _draw(row))):
        day = row.at.date()
        most = caps.author_day if authors[row.name].proven else caps.unproven_day
        mine, of_class = (row.name, day), (row.target, row.label, day)
        if by_day[mine, row.target] >= most:
            over.append((row, "over_author_day"))
        elif by_class_day[of_class] >= caps.class_day:
            over.append((row, "over_class_day"))
        else:
            by_day[mine, row.target] += 1
            by_class_day[of_class] += 1
            kept.append(row)
    shared, more = _share(kept, caps)
    return shared, [*over, *more]


def vote(
    rows: Sequence[FeedbackRow], authors: Mapping[str, Author]
) -> tuple[list[FeedbackRow], list[tuple[FeedbackRow, Why]]]:
    """One row per ticket text and target, with the label that outweighs every other."""
    questions: dict[tuple[str, str], list[FeedbackRow]] = defaultdict(list)
    for key, row in zip(text_keys(rows), rows, strict=True):
        questions[key, row.target].append(row)
    chosen: list[FeedbackRow] = []
    aside: list[tuple[FeedbackRow, Why]] = []
    for said in questions.values():
        last = {row.name: row.label for row in sorted(said, key=lambda row: (row.at, row.key))}
        weights: dict[str | None, float] = defaultdict(float)
        for name, label in last.items():
            weights[label] += authors[name].low
        best = max(weights.values())
        winners = [label for label, weight in weights.items() if weight == best]
        if len(winners) > 1:
            aside += [(row, "conflict") for row in said]
            continue
        agreeing = [row for row in said if row.label == winners[0]]
        first = min(agreeing, key=lambda row: (row.at, row.key))
        chosen.append(first)
        aside += [
            (row, "duplicate" if row.label == winners[0] else "outvoted")
            for row in said
            if row is not first
        ]
    return sorted(chosen, key=lambda row: (row.at, row.key)), aside


def _share(
    rows: Sequence[FeedbackRow], caps: CapParams
) -> tuple[list[FeedbackRow], list[tuple[FeedbackRow, Why]]]:
    """Rows of a class of which no author has more than the share allowed.

    An author's rows are held against those of all others: with a share s at most s / (1 - s) times
    as many, and `free` rows in any case.
    """
    classes: dict[tuple[str, str | None], list[FeedbackRow]] = defaultdict(list)
    for row in rows:
        classes[row.target, row.label].append(row)
    kept: list[FeedbackRow] = []
    over: list[tuple[FeedbackRow, Why]] = []
    for group in classes.values():
        counts = Counter(row.name for row in group)
        taken: Counter[str] = Counter()
        for row in sorted(group, key=_draw):
            others = len(group) - counts[row.name]
            share = caps.author_class
            most = float("inf") if share == 1 else others * share / (1 - share)
            if taken[row.name] < max(caps.free, most):
                taken[row.name] += 1
                kept.append(row)
            else:
                over.append((row, "over_author_class"))
    return kept, over


def _draw(row: FeedbackRow) -> bytes:
    return hashlib.sha256(f"{row.prediction_id}\0{row.target}".encode()).digest()
