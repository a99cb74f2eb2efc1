"""Single fits of the fine-tuned member, the folds beside each other where there are cores."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.machine import usable_cores
from data.prepared import Prepared
from evaluation.league.sentiment import Posts
from models.base import Probabilities
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
from models.sentiment import TARGET as TONE
from models.sentiment import name_pictures
from pipelines import run
from pipelines.cross_fitting import Rows, labels_of, without_fold
from pipelines.environment import THREADS
from pipelines.former_fits import Renewal
from pipelines.toning import Tones

if TYPE_CHECKING:
    from models.frozen_states import FrozenStates

logger = logging.getLogger(__name__)

BESIDE = 5000
"""Tickets of train from which more processes pay for their start."""

R = TypeVar("R")


@dataclass(frozen=True)
class Task:
    """All that a fit depends on but its rows.

    lessons : texts that teach every fit a tone beside the targets
    tones : in which some tickets are learned
    checkpoints : folder that holds a folder per fit
    renewal : fits of before that all go on from
    """

    prepared: Prepared
    params: FinetunedParams
    seed: int
    checkpoints: Path
    lessons: Posts | None = None
    tones: Tones | None = None
    renewal: Renewal | None = None

    def chosen(self, rows: Rows) -> Rows:
        """Those of some rows of train that are learned."""
        return self.renewal.chosen(rows) if self.renewal else rows

    def begun(self, name: str) -> "list[FinetunedMember]":
        """What a fit goes on from, by its name; nothing: it begins at the published encoder."""
        return self.renewal.begun(name) if self.renewal else []


class Fits:
    """Fits members on rows of prepared tickets, and asks them.

    Parameters
    ----------
    place : line of the terminal that shows the progress, where several processes show theirs
    """

    def __init__(self, task: Task, place: int = 0) -> None:
        self._task, self._place = task, place
        self.texts = task.prepared.texts()
        self._learned = task.tones.of(self.texts) if task.tones else self.texts
        valid = task.prepared.rows("valid")
        lessons = task.lessons
        self._taught = [name_pictures(text) for text in lessons.texts] if lessons else []
        none_told = {TONE: [None] * len(valid)} if lessons else {}
        labels = {**labels_of(task.prepared, valid), **none_told}
        self._held_out = ([self.texts[i] for i in valid], labels)
        self._shared: dict[int, FrozenStates] = {}

    def fit(
        self,
        rows: Rows,
        name: str,
        params: FinetunedParams,
        start: Sequence[FinetunedMember] = (),
        draw: int = 0,
        easy: NDArray[np.bool_] | None = None,
    ) -> FinetunedMember:
        """A member fitted on these rows; it stops early on valid and keeps a checkpoint.

        Parameters
        ----------
        rows : of train; those that the task has not chosen are left out
        start : members whose mean weights are gone on from
        draw : changes what is drawn at random
        easy : which of all tickets are learned in fewer epochs, see `models.easy_rows`
        """
        task, lessons = self._task, self._task.lessons
        rows = task.chosen(rows)
        labels = {
            target: [*column, *[None] * len(self._taught)]
            for target, column in labels_of(task.prepared, rows).items()
        }
        if lessons:
            labels[TONE] = [*[None] * len(rows), *lessons.labels]
        with tqdm(
            total=100, desc=name, unit="%", file=sys.stderr, mininterval=5, position=self._place
        ) as bar:

            def show(share: float, text: str) -> None:
                bar.set_postfix_str(text, refresh=False)
                bar.update(int(share * 100) - bar.n)

            member = FinetunedMember(
                params, seed=task.seed + draw, progress=show, frozen=self._frozen(params)
            )
            return member.fit(
                [*(self._learned[i] for i in rows), *self._taught],
                labels,
                valid=self._held_out,
                checkpoint=task.checkpoints / name,
                start=start,
                lessons=(TONE,) if lessons else (),
                easy=None
                if easy is None
                else np.concatenate([easy[rows], np.zeros(len(self._taught), dtype=bool)]),
            )

    def answer(self, member: FinetunedMember, rows: Rows) -> dict[str, Probabilities]:
        """What a member answers for these rows."""
        return member.predict_proba([self.texts[i] for i in rows])

    def _frozen(self, params: FinetunedParams) -> "FrozenStates | None":
        """Where fits with these params share what their frozen layers make of each text."""
        from models.frozen_states import FrozenStates  # loads torch

        layers = params.frozen_layers
        if layers not in self._shared:
            for states in self._shared.values():
                states.forget()  # they take a gigabyte
            if layers:
                self._shared[layers] = FrozenStates(layers)
        return self._shared.get(layers)


def fit_beside(
    task: Task, folds: int
) -> tuple[list[FinetunedMember], list[dict[str, Probabilities]]] | None:
    """A member per fold and its answers for the rows of the fold, each fitted by a process.

    None where one process does better, see `processes_for`, or where the system ended one.
    """
    processes = processes_for(task, folds)
    found = _in_processes(processes, folds, partial(fit_fold, task)) if processes > 1 else None
    if found is None:
        return None
    return [member for member, _ in found], [answers for _, answers in found]


class Final(NamedTuple):
    """A fit on all rows of train.

    start, draw, easy : see `Fits.fit`
    """

    params: FinetunedParams
    start: Sequence[FinetunedMember]
    draw: int
    easy: NDArray[np.bool_] | None = None


def fit_finals_beside(
    task: Task, name: str, finals: Sequence[Final]
) -> list[FinetunedMember] | None:
    """A member per final fit, each fitted by a process; None as in `fit_beside`."""
    processes = processes_for(task, len(finals))
    if processes < 2:
        return None
    with TemporaryDirectory() as folder:
        places: dict[int, Path] = {}
        for member in (one for final in finals for one in final.start):
            if id(member) not in places:
                places[id(member)] = Path(folder) / str(len(places))
                member.save(places[id(member)])
        begun = [[places[id(member)] for member in final.start] for final in finals]
        told = [final._replace(start=()) for final in finals]
        found = _in_processes(processes, len(finals), partial(fit_final, task, name, told, begun))
    return None if found is None else [member for member, _ in found]


def fit_fold(task: Task, number: int, folder: Path) -> dict[str, Probabilities]:
    """Fit on all rows of train outside one fold, keep the member, answer the rows of the fold."""
    fits = Fits(task, place=number)
    rest, own = without_fold(task.prepared, number)
    name = f"fold-{number}"
    member = fits.fit(rest, name, task.params, task.begun(name))
    member.save(folder)
    return fits.answer(member, own)


def fit_final(
    task: Task,
    name: str,
    finals: Sequence[Final],
    begun: Sequence[Sequence[Path]],
    number: int,
    folder: Path,
) -> None:
    """Make one of some fits on all rows of train, and keep the member.

    Parameters
    ----------
    finals : without what they go on from
    begun : folders of what each goes on from
    """
    final = finals[number]
    start = [FinetunedMember.load(place) for place in begun[number]]
    fits = Fits(task, place=number)
    rows, name = task.prepared.rows("train"), f"{name}-{final.draw}"
    fits.fit(rows, name, final.params, start, final.draw, final.easy).save(folder)


def processes_for(task: Task, fits: int) -> int:
    """Processes that share so many fits; 1 where one process does better.

    One thread each scales where several threads of one fit wait for each other. One process does
    better on one core, on a GPU and with fewer than BESIDE tickets. What frozen layers make of a
    text is then made by each process: one pass of those layers, where training takes several.
    """
    small = len(task.prepared.rows("train")) < BESIDE
    if small or _one_is_meant():
        return 1
    return max(1, min(fits, usable_cores()))


def _in_processes(
    processes: int, fits: int, fit: Callable[[int, Path], R]
) -> list[tuple[FinetunedMember, R]] | None:
    """What fits number 0, 1, ... keep in their folder and return; None: a process is gone.

    Parameters
    ----------
    fit : gets its number and the folder
    """
    with (
        TemporaryDirectory() as folder,
        # New processes, not forks: what they would inherit may hold threads.
        ProcessPoolExecutor(
            processes,
            mp_context=get_context("spawn"),
            initializer=_begin,
            initargs=(usable_cores() // processes,),
        ) as pool,
    ):
        places = [Path(folder) / str(number) for number in range(fits)]
        asked = [pool.submit(fit, number, place) for number, place in enumerate(places)]
        try:
            answers = [one.result() for one in asked]
        except BrokenProcessPool:
            # The system may have ended it for want of memory.
            logger.warning("a process that fitted a member is gone: one process fits them all")
            return None
        members = [FinetunedMember.load(place) for place in places]
        return list(zip(members, answers, strict=True))


def _one_is_meant() -> bool:
    import torch  # every fit needs it

    from models.finetuning_processes import open_processes

    return torch.cuda.is_available() or open_processes().count > 1


def _begin(threads: int) -> None:
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    run.begin()
