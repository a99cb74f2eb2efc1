"""Fit the linear member, the folds beside the final fit where there is a core for each."""

import logging
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from data.machine import usable_cores
from data.prepared import Prepared
from models.base import Member, Probabilities
from models.linear import LinearMember, LinearParams
from pipelines import run
from pipelines.cross_fitting import Answers, Rows, cross_fit, fit_folds, labels_of

logger = logging.getLogger(__name__)

BESIDE = 5000
"""Tickets of train from which a second process pays for its start."""


def train_linear(prepared: Prepared, folds: int, params: LinearParams) -> tuple[Member, Answers]:
    """The linear member, its vocabulary learned anew in each fold.

    The answers are the same on one core and on two. On two, the folds are fitted by a process of
    their own, so that the stage takes up to twice the memory; where the system ends that process
    for it, they are fitted after the final fit instead.
    """
    fits = _Fits(prepared, params)
    train = prepared.rows("train")
    if folds < 2 or len(train) < BESIDE or usable_cores() < 2:
        return cross_fit(prepared, folds, fits.fit, fits.answer)
    # A new process, not a fork: what it would inherit may hold threads.
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=run.begin) as beside:
        asked = beside.submit(answer_folds, prepared, folds, params)
        member, answers = cross_fit(prepared, 0, fits.fit, fits.answer)
        try:
            unseen = asked.result()
        except BrokenProcessPool:
            logger.warning("the process that fitted the folds is gone: they are fitted here")
            unseen = answer_folds(prepared, folds, params)
    for target, found in unseen.items():
        answers[target][train] = found[train]
    return member, answers


def answer_folds(prepared: Prepared, folds: int, params: LinearParams) -> Answers:
    """What the folds answer for the rows of train; NaN for all others."""
    fits = _Fits(prepared, params)
    _, answers = fit_folds(prepared, folds, fits.fit, fits.answer)
    return answers


class _Fits:
    """Fits and asks members on rows of prepared tickets."""

    def __init__(self, prepared: Prepared, params: LinearParams) -> None:
        self._prepared, self._params = prepared, params
        self._texts = prepared.texts()

    def fit(self, rows: Rows, name: str, fitted: Sequence[LinearMember]) -> LinearMember:
        labels = labels_of(self._prepared, rows)
        return LinearMember(self._params).fit([self._texts[i] for i in rows], labels)

    def answer(self, member: LinearMember, rows: Rows) -> dict[str, Probabilities]:
        return member.predict_proba([self._texts[i] for i in rows])
