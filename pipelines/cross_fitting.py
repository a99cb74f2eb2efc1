"""Fits of a member that leave rows out, so that every row is answered by a model new to it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from data.prepared import Prepared
from models.base import Labels, Member, Probabilities, align_columns

logger = logging.getLogger(__name__)

Rows = NDArray[np.int64]
M = TypeVar("M", bound=Member)
Answers = dict[str, NDArray[np.float32]]


def cross_fit(
    prepared: Prepared,
    folds: int,
    fit: Callable[[Rows, str, Sequence[M]], M],
    answer: Callable[[M, Rows], dict[str, Probabilities]],
    known: tuple[Sequence[M], Answers] | None = None,
) -> tuple[M, Answers]:
    """The member fitted on all train rows, and an unseen-by-its-model answer for each row.

    Train rows are answered by the model of their fold, fitted on the other folds; the rest by the
    final member. Without folds (below 2) train rows stay NaN.

    Parameters
    ----------
    fit : gets the rows, a name, and for the final fit the members of the folds
    known : what `fit_folds` gives, where they are fitted already

    Returns
    -------
    member, target -> probabilities of shape (n_rows, n_classes), columns as in prepared.targets
    """
    fitted, answers = known or fit_folds(prepared, folds, fit, answer)
    train, rest = prepared.rows("train"), prepared.rows("valid", "calibration", "test")
    logger.info("final fit on %d tickets", len(train))
    member = fit(train, "final", fitted)
    _note(prepared, answers, member, rest, answer(member, rest))
    return member, answers


def fit_folds(
    prepared: Prepared,
    folds: int,
    fit: Callable[[Rows, str, Sequence[M]], M],
    answer: Callable[[M, Rows], dict[str, Probabilities]],
) -> tuple[list[M], Answers]:
    """The members of the folds, and their answers for train rows; NaN for all others."""
    answers = _nothing_known(prepared)
    fitted: list[M] = []
    for number in range(folds if folds > 1 else 0):
        logger.info("fold %d of %d", number + 1, folds)
        rest, own = without_fold(prepared, number)
        fitted.append(fit(rest, f"fold-{number}", ()))
        _note(prepared, answers, fitted[-1], own, answer(fitted[-1], own))
    return fitted, answers


def joined_folds(
    prepared: Prepared, members: Sequence[M], found: Sequence[Mapping[str, Probabilities]]
) -> tuple[list[M], Answers]:
    """What `fit_folds` gives, of members fitted elsewhere and what each answers for its fold."""
    answers = _nothing_known(prepared)
    for number, (member, own) in enumerate(zip(members, found, strict=True)):
        _note(prepared, answers, member, without_fold(prepared, number)[1], own)
    return list(members), answers


def without_fold(prepared: Prepared, number: int) -> tuple[Rows, Rows]:
    """The rows of train outside a fold, and those in it."""
    train = prepared.rows("train")
    inside = prepared.frame["fold"].to_numpy()[train] == number
    return train[~inside], train[inside]


def _nothing_known(prepared: Prepared) -> Answers:
    return {
        target: np.full((len(prepared.frame), len(names)), np.nan, dtype=np.float32)
        for target, names in prepared.targets.items()
    }


def _note(
    prepared: Prepared,
    answers: Answers,
    member: M,
    rows: Rows,
    found: Mapping[str, Probabilities],
) -> None:
    for target, wanted in prepared.targets.items():
        answers[target][rows] = align_columns(found[target], member.targets_[target], wanted)


def labels_of(prepared: Prepared, rows: Rows) -> Labels:
    """Target -> labels of these rows; None where missing."""
    columns = {target: prepared.labels(target) for target in prepared.targets}
    return {target: [column[i] for i in rows] for target, column in columns.items()}
