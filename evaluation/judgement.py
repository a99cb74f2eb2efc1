"""Whether an answer was right, from everything that people said of it.

The rules, in this order:
1. Of each author the newest word counts; those who gave no name are one author.
2. `confirm`, and `correct` to the label that was told, say right. `correct` to another label, known
   to the bundle or not, and `reject` say wrong.
3. Authors who differ are counted: the majority has it, of equals the side that spoke last. The
   right label is found in the same way among those who named one on that side.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from pydantic import AwareDatetime

from data.store import Answered, StoredFeedback

Believed = Callable[[StoredFeedback], bool]
"""Whether what was said may count; for feedback in quarantine it may not."""

_Vote = TypeVar("_Vote", bool, str)


class Judgement(NamedTuple):
    """What people made of one target of one answer."""

    right: bool
    label: str | None
    """The right one; None where it was only rejected."""
    at: AwareDatetime
    """When somebody first said something: rows are ordered by it, and it never changes."""
    agreed: bool
    """Whether all authors said the same of it."""


def judge(answered: Answered, target: str, believed: Believed | None = None) -> Judgement | None:
    """What people made of a target; None where nobody spoke of it, or it was not answered."""
    told = answered.stored.prediction.targets.get(target)
    said = [
        one
        for one in answered.feedback
        if one.target == target and (believed is None or believed(one))
    ]
    if told is None or not said:
        return None
    said.sort(key=lambda one: (one.at, one.key))
    newest = {one.author: one for one in said}
    opinions = sorted(newest.values(), key=lambda one: (one.at, one.key))
    labels = [_right_label(one, told.label) for one in opinions]
    right = _majority(label == told.label for label in labels)
    named = [label for label in labels if label is not None and (label == told.label) == right]
    label = _majority(named) if named else None
    return Judgement(right, label, said[0].at, len(set(labels)) == 1)


def _right_label(one: StoredFeedback, told: str) -> str | None:
    return told if one.verdict == "confirm" else one.label


def _majority(votes: Iterable[_Vote]) -> _Vote:
    """The most frequent vote, of equals the one given last."""
    given = list(votes)
    counts = Counter(given)
    most = max(counts.values())
    return next(vote for vote in reversed(given) if counts[vote] == most)
