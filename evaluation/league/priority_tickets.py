"""Tickets whose priority is to be told, in the splits and folds of the pipeline's own kind."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.catalog import Dataset
from data.duplicates import Groups, join_near_duplicates
from data.records import RawTicket, read_records
from data.split import assign_folds, assign_splits
from data.tables import read_rows
from data.text import model_text
from models.base import Features, Member, Probabilities, align_columns, classes_of
from models.embedding import EmbeddingMember
from models.linear import LinearMember

SHARES = {"valid": 0.1, "calibration": 0.1, "test": 0.2}
SEED = 20261123
MOST_COUNTED = 5
"""A word said more often in a ticket is repeated so often and no oftener."""

_MAX_CHARACTERS = 50_000
_COUNTED = re.compile(r"(\S+):(\d+)(?=\s|$)")


@dataclass(frozen=True)
class Tickets:
    """Rows of one data set; each target with its classes in column order.

    Attributes
    ----------
    split : names out of `data.split.SPLITS`, shape (n,)
    fold : fold of train rows, -1 elsewhere, shape (n,)
    """

    texts: list[str]
    groups: list[str]
    split: NDArray[np.str_]
    fold: NDArray[np.int8]
    labels: dict[str, list[str | None]]
    classes: dict[str, tuple[str, ...]]

    def rows(self, *splits: str) -> NDArray[np.int64]:
        """Positions of the rows of some splits."""
        return np.flatnonzero(np.isin(self.split, splits))

    def truth(self, target: str) -> NDArray[np.int64]:
        """Class positions of shape (n,), -1 where the label is missing."""
        position = {label: i for i, label in enumerate(self.classes[target])}
        return np.array([position.get(label or "", -1) for label in self.labels[target]])


def read_tickets(
    folder: Path,
    dataset: Dataset,
    targets: Sequence[str],
    folds: int,
    limit: int | None = None,
) -> Tickets:
    """Tickets of a fetched data set, read through the doors of the pipeline.

    Near-duplicates stand on one side of every split. Where the entry asks for a split by time, test
    is the newest fifth. Lists of `word:count` become texts in which a word stands as often as it
    was counted, `MOST_COUNTED` times at most.

    Parameters
    ----------
    targets : the first one must be known of a row
    limit : rows read at most, spread evenly over them in order of time
    """
    first = targets[0]
    rows = (row for name in dataset.tables for row in read_rows(folder / name, dataset))
    plain = dataset.model_copy(update={"word_counts": False})
    raw, _ = read_records(rows, plain, targets, _MAX_CHARACTERS)
    known = [ticket for ticket in raw if ticket.labels[first] is not None]
    known.sort(key=lambda ticket: (ticket.created_at or "", ticket.id))
    if limit is not None and len(known) > limit:
        known = [known[i * len(known) // limit] for i in range(limit)]
    texts = [_text(ticket, dataset) for ticket in known]
    groups = _groups(known, texts)
    labels = {target: [ticket.labels[target] for ticket in known] for target in targets}
    strata = labels[first]
    times = [ticket.created_at for ticket in known] if dataset.split_by == "time" else None
    split = assign_splits(groups, strata, SHARES, SEED, times=times)
    return Tickets(
        texts=texts,
        groups=groups,
        split=np.array(split),
        fold=assign_folds(groups, strata, split, folds, SEED),
        labels=labels,
        classes={
            target: dataset.labels.get(target) or classes_of(labels)[target] for target in targets
        },
    )


def answer_by_folds(
    tickets: Tickets, members: Mapping[str, LinearMember | EmbeddingMember]
) -> dict[str, dict[str, Probabilities]]:
    """Target -> member -> probabilities of all rows, none by a model that has seen the row.

    Train rows are answered by models of the other folds, all others by models of all of train.
    """
    everywhere = np.arange(len(tickets.texts))
    train = tickets.rows("train")
    parts = [(train, np.setdiff1d(everywhere, train))]
    parts += [
        (train[tickets.fold[train] != fold], train[tickets.fold[train] == fold])
        for fold in np.unique(tickets.fold[train])
    ]
    answers: dict[str, dict[str, Probabilities]] = {
        target: {name: np.zeros((len(everywhere), len(classes))) for name in members}
        for target, classes in tickets.classes.items()
    }
    for name, member in members.items():
        vectors = member.encode(tickets.texts) if isinstance(member, EmbeddingMember) else None
        for known, asked in parts:
            fitted, found = _fit_and_ask(tickets, member, vectors, known, asked)
            for target, classes in tickets.classes.items():
                aligned = align_columns(found[target], fitted.targets_[target], classes)
                answers[target][name][asked] = aligned
    return answers


def _fit_and_ask(
    tickets: Tickets,
    member: LinearMember | EmbeddingMember,
    vectors: Features | None,
    known: NDArray[np.int64],
    asked: NDArray[np.int64],
) -> tuple[Member, dict[str, Probabilities]]:
    labels = {t: [column[i] for i in known] for t, column in tickets.labels.items()}
    if isinstance(member, EmbeddingMember):
        assert vectors is not None
        fresh = member.fresh().fit_features(vectors[known], labels)
        return fresh, fresh.predict_features(vectors[asked])
    fitted = LinearMember(member.params).fit([tickets.texts[i] for i in known], labels)
    return fitted, fitted.predict_proba([tickets.texts[i] for i in asked])


def _text(ticket: RawTicket, dataset: Dataset) -> str:
    text = ticket.text
    if dataset.word_counts:
        text = _COUNTED.sub(lambda m: " ".join([m[1]] * max(1, min(MOST_COUNTED, int(m[2])))), text)
    return model_text(text)


def _groups(tickets: Sequence[RawTicket], texts: Sequence[str]) -> list[str]:
    """The group of each ticket, named after its first id."""
    groups = Groups(len(tickets))
    join_near_duplicates(groups, texts, threshold=0.9, permutations=64, shingle=5, seed=SEED)
    groups.join_equal(ticket.group for ticket in tickets)
    return [tickets[root].id for root in groups.roots()]
