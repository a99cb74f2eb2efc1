"""Which authors are believed: how often each agreed where the right label is known otherwise.

Only what an author had to answer counts, tickets of the audit sample and those of the golden set:
what people say unasked is chosen by themselves. What is right is told, in this order, by the golden
set, by the other authors of the same ticket, and by an answer that the model gave automatically,
which its certificate says is right in at least the promised share.

The rate of agreement has a Beta(1, 1) prior, and its bounds are quantiles of the posterior; older
answers count less, so that trust earned long ago is not spent all at once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from pydantic import Field
from scipy.stats import beta

from data.duplicates import copy_keys, shingle_sets
from data.feedback_rows import FeedbackRow
from data.golden import GoldenTicket
from data.near import find_near
from data.schema import Record
from data.text import model_text
from evaluation.trust_params import FeedbackParams

GoldenAnswers = Mapping[str, Mapping[str, str]]
"""Prediction id -> labels of the golden ticket it is a near-duplicate of."""


class Author(Record):
    """How often one author agreed, and what follows."""

    agreed: float = Field(ge=0, description="answers, older ones counting less")
    disagreed: float = Field(ge=0)
    low: float = Field(ge=0, le=1, description="lower bound of the rate of agreement")
    high: float = Field(ge=0, le=1)
    proven: bool = Field(description="the rate is surely as high as it should be")
    believed: bool = Field(description="the rate is not surely lower than it should be")


def find_golden(
    rows: Sequence[FeedbackRow], golden: Sequence[GoldenTicket], threshold: float, width: int
) -> dict[str, dict[str, str]]:
    """Prediction id -> golden labels, of tickets that are near-duplicates of golden ones.

    Parameters
    ----------
    threshold, width : `prepare.near_duplicates` of params.yaml
    """
    if not golden:
        return {}
    texts = {row.prediction_id: model_text(row.ticket.full_text) for row in rows}
    near = find_near(
        shingle_sets([ticket.text for ticket in golden], width),
        shingle_sets(list(texts.values()), width),
        threshold,
    )
    return {
        name: dict(golden[found[0]].labels)
        for name, found in zip(texts, near, strict=True)
        if found
    }


def score_authors(
    rows: Sequence[FeedbackRow], golden: GoldenAnswers, params: FeedbackParams
) -> dict[str, Author]:
    """Every author of some rows, by name; the nameless count as one.

    Parameters
    ----------
    rows : with a label each; superseded ones left out, see `newest_of_each`
    """
    if not rows:
        return {}
    newest = max(row.at for row in rows)
    half = timedelta(days=params.half_life_days)
    said = _votes(rows)
    agreed: dict[str, float] = defaultdict(float)
    total: dict[str, float] = defaultdict(float)
    for row in rows:
        right = _find_right(row, golden, said[_question(row)])
        if right is not None:
            weight = 0.5 ** ((newest - row.at) / half)
            total[row.name] += weight
            agreed[row.name] += weight * (row.label == right)
    return {
        name: judge(agreed[name], total[name] - agreed[name], params)
        for name in sorted({row.name for row in rows})
    }


def judge(agreed: float, disagreed: float, params: FeedbackParams) -> Author:
    """What follows from so many answers that agreed with what is right, and that did not."""
    a, b = 1 + agreed, 1 + max(0.0, disagreed)
    low, high = (float(beta.ppf(q, a, b)) for q in (1 - params.confidence, params.confidence))
    return Author(
        agreed=agreed,
        disagreed=max(0.0, disagreed),
        low=low,
        high=high,
        proven=low >= params.agreement,
        believed=high >= params.agreement,
    )


def newest_of_each(
    rows: Iterable[FeedbackRow],
) -> tuple[list[FeedbackRow], list[FeedbackRow]]:
    """The last word of each author on each question, and the words it replaced."""
    last: dict[tuple[str, str, str], FeedbackRow] = {}
    replaced = []
    for row in sorted(rows, key=lambda row: (row.at, row.key)):
        question = (row.name, row.prediction_id, row.target)
        if question in last:
            replaced.append(last[question])
        last[question] = row
    return list(last.values()), replaced


def text_keys(rows: Sequence[FeedbackRow]) -> list[str]:
    """A key per row, equal where the tickets differ in case, blanks and punctuation at most."""
    return copy_keys([row.ticket.full_text for row in rows])


def _question(row: FeedbackRow) -> tuple[str, str]:
    return row.prediction_id, row.target


def _votes(rows: Sequence[FeedbackRow]) -> dict[tuple[str, str], dict[str, str]]:
    """Question -> author -> label."""
    votes: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in rows:
        if row.label is not None:
            votes[_question(row)][row.name] = row.label
    return votes


def _find_right(row: FeedbackRow, golden: GoldenAnswers, votes: Mapping[str, str]) -> str | None:
    """What is right of a ticket, as far as it is known without this author."""
    known = golden.get(row.prediction_id, {}).get(row.target)
    if known is not None or row.origin != "audit":
        return known
    others = Counter(label for name, label in votes.items() if name != row.name)
    if others:
        (label, count), *rest = others.most_common(2)
        return label if not rest or rest[0][1] < count else None
    return row.predicted if row.decision == "auto" else None
