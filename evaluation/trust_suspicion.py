"""What in a batch of feedback should wait for a person, and why.

Each test asks whether what was said could come from people who are honest and sometimes wrong, and
each has the chance of a false alarm `error` shared among all it looks at in the batch (Bonferroni):

- `disbelieved`: the author surely agrees too seldom where the right label is known.
- `flood`: the author says many times more in a day than the others do.
- `outside`: the author's labels lie outside the model's shortlists more often than those of others;
  only tickets that somebody had to answer count, so it does not matter what people choose to say.
- `flips`: of the tickets that the audit drew, the author moves more from one class to another than
  the model can have got wrong by its own calibrated confidence, and than others do.
- `aimed`: the author's corrections of a class go to one other class, those of others do not.
- `sure`: the author corrects answers of which the model was surer than of those that others
  correct. Real mistakes gather where the model is least sure; invented ones have no reason to.
- `impossible`: more tickets were moved from a class to another, by whomever, than the model can
  have got wrong on all it routed in those days.
- `sudden`: a class is corrected to another far oftener than in all batches before.

The last two find many authors who keep below what shows in one alone. A real change of the world
looks the same to them; that is why a person decides.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from statistics import median
from typing import Literal, NamedTuple

from scipy.stats import binom, fisher_exact, mannwhitneyu, poisson

from data.feedback_rows import FeedbackRow, Scope
from evaluation.trust import Author
from evaluation.trust_params import FeedbackParams, SuspicionParams

Test = Literal["disbelieved", "flood", "outside", "flips", "aimed", "sure", "impossible", "sudden"]
Rows = Sequence[FeedbackRow]
ExpectedErrors = Mapping[tuple[date, str, str], float]
"""(Day, target, label) -> sum of 1 - confidence over what was routed as that label that day."""


class Suspicion(NamedTuple):
    """Rows to hold back, and why in words."""

    test: Test
    scope: Scope
    reason: str


class Move(NamedTuple):
    """Corrections of automatic answers from one class to another."""

    target: str
    predicted: str
    label: str

    def __str__(self) -> str:
        return f"{self.target}: {self.predicted} to {self.label}"


def suspect(
    batch: Rows,
    history: Rows,
    authors: Mapping[str, Author],
    expected: ExpectedErrors,
    params: FeedbackParams,
) -> list[Suspicion]:
    """All that is suspicious in a batch, one entry per scope.

    Parameters
    ----------
    batch : the last word of each author on each question of it
    history : rows of earlier batches that are neither revoked nor quarantined
    authors : scored on both together
    expected : over all answers told on the days of the batch's tickets; empty: not known, and
        then `impossible` is not asked
    """
    knobs = params.suspicion
    found = [
        *_disbelieved(batch, authors),
        *_floods(batch, knobs),
        *_outside(batch, knobs),
        *_flips(batch, knobs),
        *_aimed(batch, knobs),
        *_sure(batch, knobs),
        *_impossible(batch, history, expected, knobs),
        *_sudden(batch, history, knobs),
    ]
    first: dict[Scope, Suspicion] = {}
    for one in found:
        known = first.get(one.scope)
        both = known._replace(reason=f"{known.reason}; {one.reason}") if known else one
        first[one.scope] = both
    return list(first.values())


def _disbelieved(batch: Rows, authors: Mapping[str, Author]) -> list[Suspicion]:
    return [
        Suspicion(
            "disbelieved",
            Scope(author=name),
            f"{_named(name)} agrees with what is known to be right in at most "
            f"{authors[name].high:.0%} of the cases",
        )
        for name in sorted({row.name for row in batch})
        if not authors[name].believed
    ]


def _floods(batch: Rows, knobs: SuspicionParams) -> list[Suspicion]:
    days = Counter((row.name, row.at.date()) for row in batch)
    found = []
    for name in sorted({name for name, _ in days}):
        most = max(count for (who, _), count in days.items() if who == name)
        others = [count for (who, _), count in days.items() if who != name]
        usual = median(others) if others else most
        if most >= knobs.flood_least and most > knobs.flood * usual:
            why = f"{_named(name)} spoke of {most} tickets in a day; others of {usual:g}"
            found.append(Suspicion("flood", Scope(author=name), why))
    return found


def _outside(batch: Rows, knobs: SuspicionParams) -> list[Suspicion]:
    asked = [row for row in batch if row.origin != "unasked" and row.shortlist]
    return [
        Suspicion(
            "outside",
            Scope(author=name),
            f"{_named(name)} gave {hits} of {n} labels that the model all but rules out; "
            f"{rate:.0%} would be much",
        )
        for name, hits, n, rate in _exceeding(
            [(row.name, row.label not in row.shortlist) for row in asked], 0.05, knobs
        )
    ]


def _flips(batch: Rows, knobs: SuspicionParams) -> list[Suspicion]:
    found = []
    audited: dict[tuple[str, str], list[FeedbackRow]] = defaultdict(list)
    for row in batch:
        if row.origin == "audit" and row.decision == "auto":
            audited[row.target, row.predicted].append(row)
    moves = {_move(row) for rows in audited.values() for row in rows if row.flipped}
    for move in sorted(moves):
        rows = audited[move.target, move.predicted]
        floor = sum(1 - row.confidence for row in rows) / len(rows)
        marks = [(row.name, row.label == move.label) for row in rows]
        for name, hits, n, rate in _exceeding(marks, floor, knobs, len(moves)):
            why = (
                f"{_named(name)} moved {hits} of {n} audited tickets {move}; "
                f"{rate:.0%} would be much"
            )
            found.append(Suspicion("flips", Scope(author=name), why))
    return found


def _exceeding(
    marks: Sequence[tuple[str, bool]], floor: float, knobs: SuspicionParams, families: int = 1
) -> list[tuple[str, int, int, float]]:
    """Authors marked oftener than `slack` times the floor and than all others together.

    A binomial tail at the higher of both rates, of which that of the others is taken with one mark
    more than there was.
    """
    total = Counter(name for name, _ in marks)
    marked = Counter(name for name, mark in marks if mark)
    found = []
    for name, hits in sorted(marked.items()):
        others = len(marks) - total[name]
        theirs = (marked.total() - hits + 1) / (others + 1) if others else 0.0
        rate = min(1.0, max(knobs.slack * floor, theirs))
        tail = float(binom.sf(hits - 1, total[name], rate))
        if hits >= knobs.least and tail < knobs.error / (len(total) * families):
            found.append((name, hits, total[name], rate))
    return found


def _aimed(batch: Rows, knobs: SuspicionParams) -> list[Suspicion]:
    corrected: dict[tuple[str, str], list[FeedbackRow]] = defaultdict(list)
    for row in batch:
        if row.flipped and row.decision == "auto":
            corrected[row.target, row.predicted].append(row)
    cells = Counter((row.name, _move(row)) for rows in corrected.values() for row in rows)
    found = []
    for (name, move), hits in sorted(cells.items()):
        rows = corrected[move.target, move.predicted]
        mine = sum(row.name == name for row in rows)
        theirs = sum(row.name != name and row.label == move.label for row in rows)
        others = len(rows) - mine
        if hits < knobs.least or others < knobs.least:
            continue
        table = [[hits, mine - hits], [theirs, others - theirs]]
        if float(fisher_exact(table, alternative="greater")[1]) < knobs.error / len(cells):
            why = (
                f"{hits} of {mine} corrections of {_named(name)} went {move}; "
                f"of others' {theirs} of {others}"
            )
            found.append(Suspicion("aimed", Scope(author=name), why))
    return found


def _sure(batch: Rows, knobs: SuspicionParams) -> list[Suspicion]:
    """A rank test (Mann and Whitney, Annals of Mathematical Statistics 1947) of confidences."""
    flips = [row for row in batch if row.flipped and _routed(row)]
    names = Counter(row.name for row in flips)
    found = []
    for name, hits in sorted(names.items()):
        if hits < knobs.least or len(flips) - hits < knobs.least:
            continue
        mine = [row.confidence for row in flips if row.name == name]
        theirs = [row.confidence for row in flips if row.name != name]
        if mannwhitneyu(mine, theirs, alternative="greater").pvalue < knobs.error / len(names):
            why = (
                f"{_named(name)} corrected {hits} answers of which the model was "
                f"{median(mine):.0%} sure; others corrected those of {median(theirs):.0%}"
            )
            found.append(Suspicion("sure", Scope(author=name), why))
    return found


def _impossible(
    batch: Rows, history: Rows, expected: ExpectedErrors, knobs: SuspicionParams
) -> list[Suspicion]:
    if not expected:
        return []
    days = {row.answered_at.date() for row in batch}
    new = _count_moves(batch)
    before = _count_moves([row for row in history if row.answered_at.date() in days])
    found = []
    for move, count in sorted(new.items()):
        errors = sum(
            value
            for (day, target, label), value in expected.items()
            if day in days and (target, label) == (move.target, move.predicted)
        )
        moved = count + before[move]
        tail = float(poisson.sf(moved - 1, knobs.slack * errors))
        if moved >= knobs.least and tail < knobs.error / len(new):
            why = (
                f"{moved} automatic tickets were moved {move}, and of all that were routed so "
                f"about {errors:.0f} can have been wrong"
            )
            found.append(Suspicion("impossible", _scope(move), why))
    return found


def _sudden(batch: Rows, history: Rows, knobs: SuspicionParams) -> list[Suspicion]:
    new, before = _count_moves(batch), _count_moves(history)
    now, then = _count_answers(batch), _count_answers(history)
    found = []
    for move, count in sorted(new.items()):
        n, m = now[move[:2]], then[move[:2]]
        if count < knobs.least or not m:
            continue
        rate = min(1.0, knobs.slack * (before[move] + 1) / (m + 1))
        # The rate of before is itself a guess: one more standard deviation is allowed for it.
        rate = min(1.0, rate + (rate * (1 - rate) / m) ** 0.5)
        if float(binom.sf(count - 1, n, rate)) < knobs.error / len(new):
            why = (
                f"{count} of {n} automatic tickets were moved {move}; before {before[move]} of {m}"
            )
            found.append(Suspicion("sudden", _scope(move), why))
    return found


def _count_moves(rows: Rows) -> Counter[Move]:
    """Tickets moved, each once whoever moved it."""
    moved = {(row.prediction_id, _move(row)) for row in rows if row.flipped and _routed(row)}
    return Counter(move for _, move in moved)


def _count_answers(rows: Rows) -> Counter[tuple[str, str]]:
    """(Target, predicted label) -> automatic tickets of which something was said."""
    said = {(row.prediction_id, row.target, row.predicted) for row in rows if _routed(row)}
    return Counter((target, predicted) for _, target, predicted in said)


def _routed(row: FeedbackRow) -> bool:
    return row.decision == "auto" and row.arm != "shadow"


def _move(row: FeedbackRow) -> Move:
    return Move(row.target, row.predicted, row.label or "")


def _scope(move: Move) -> Scope:
    return Scope(target=move.target, predicted=move.predicted, label=move.label)


def _named(name: str) -> str:
    return name or "who told no name"
