"""Windows of tickets to compare: of the store, of a file of tickets, of a bundle."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from data.errors import BundleError, DataError
from data.language import LanguageDetector
from data.row_streams import RowSource
from data.schema import TargetPrediction, Ticket
from data.store import Answered, Query, Store
from data.text import model_text
from evaluation.drift_reference import FILE, read_reference
from evaluation.drift_report import WindowFacts
from evaluation.drift_vectors import HASHED, Encoder, encode_by
from evaluation.drift_window import OTHER, UNKNOWN, Answers, Window, make_window
from evaluation.drift_words import KnownWords
from evaluation.judgement import Believed, judge
from evaluation.live import not_evidence
from models.base import Probabilities
from pipelines.scored_rows import RowError, TicketColumns, id_of, ticket_of

MOST = 5_000
"""Tickets of a window that are looked at; drawn at random from more."""

MOST_EMBEDDED = 2_000


class Assistant(Protocol):
    """What answers tickets and whose members make vectors of them."""

    targets: dict[str, tuple[str, ...]]

    @property
    def members(self) -> Mapping[str, Encoder]: ...

    def predict_proba(self, texts: Sequence[str]) -> dict[str, Probabilities]: ...


@dataclass(frozen=True)
class Source:
    """What windows are made with: they can be compared if it is the same for both.

    Attributes
    ----------
    known : words that training has seen
    encoder : what makes the vectors: a member of the assistant, or hashed words
    classes : target -> classes of the bundle whose answers are read, in column order
    most, most_embedded : tickets of a window that are looked at, and that become vectors
    """

    known: KnownWords | None = None
    encoder: str = HASHED
    assistant: Assistant | None = None
    classes: Mapping[str, tuple[str, ...]] | None = None
    most: int = MOST
    most_embedded: int = MOST_EMBEDDED
    seed: int = 0

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """Vectors of texts; None where the encoder is a member and there is no assistant."""
        if not texts:
            return None
        if self.encoder == HASHED or self.assistant is not None:
            members = {} if self.assistant is None else self.assistant.members
            return encode_by(self.encoder, texts, lambda name: members[name])
        return None


def read_bundle(folder: Path, targets: Mapping[str, tuple[str, ...]]) -> tuple[Window, Source]:
    """The reference that a bundle carries, and what makes windows to compare it with.

    Raises
    ------
    BundleError
        If the bundle carries none, or one of other targets.
    """
    window, known = read_reference(folder / FILE)
    for target, answers in window.targets.items():
        if targets.get(target) != answers.classes:
            raise BundleError(f"{folder / FILE} speaks of other classes of {target} than the model")
    return window, Source(known, window.encoder or HASHED, classes=dict(targets))


def read_store(
    store: Store, query: Query, source: Source, name: str, believed: Believed | None = None
) -> Window:
    """Answers of the store as a window, read once and in constant memory.

    Shadows are left out: their tickets are there already. So are answers of an arm that a caller
    asked for by name. Of more than `source.most` tickets so many are drawn at random, and as many
    of the audited ones, for labels are rare; where tickets were audited with different
    probabilities, those would not look like all, and are not added.

    Parameters
    ----------
    query : its bundle should be the one of `source.classes`, for only answers of it are read
    believed : feedback that may count; all where left out
    """
    kept, audited = _Drawn(source.most, source.seed), _Drawn(source.most, source.seed + 1)
    chances: set[float] = set()
    for row in store.stream(query):
        if row.stored.shadow or getattr(row.stored, "explicit", False):
            continue
        kept.offer(row)
        if not_evidence(row) is None:  # answered or not: who answers which is no accident
            audited.offer(row)
            chances.add(round(row.stored.audit_propensity, 6))
    rows = {row.stored.id: row for row in kept.rows}
    if len(chances) == 1:
        rows |= {row.stored.id: row for row in audited.rows}
    found = [rows[key] for key in sorted(rows)]
    texts = [model_text(row.stored.ticket.full_text) for row in found]
    embedded = _choose([len(chances) == 1 and row.stored.audit for row in found], source)
    return make_window(
        WindowFacts(
            name=name,
            tickets=len(found),
            since=found[0].stored.at.isoformat() if found else None,
            until=found[-1].stored.at.isoformat() if found else None,
            bundle=query.bundle,
        ),
        texts,
        ids=[row.stored.id for row in found],
        languages=[row.stored.prediction.language for row in found],
        groups=[row.stored.customer or row.stored.id for row in found],
        known=source.known,
        targets=_stored_answers(found, source.classes or {}, believed),
        embeddings=source.vectors([texts[row] for row in embedded]),
        embedded=embedded,
        encoder=source.encoder,
    )


def read_file(
    path: Path,
    columns: TicketColumns,
    source: Source,
    labels: Mapping[str, str] | None = None,
    languages: LanguageDetector | None = None,
) -> Window:
    """Tickets of a file as a window, answered by the assistant where there is one.

    Rows that are no tickets are passed over; of more than `source.most` so many are drawn.

    Parameters
    ----------
    labels : target -> column of what people said, whatever the answers were
    languages : tells the language of tickets whose row does not

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column or holds no ticket.
    """
    rows = RowSource(path)
    said = dict(labels or {})
    rows.require((*columns.named.values(), *said.values()))
    drawn = _Drawn(source.most, source.seed)
    for row in rows.rows():
        try:
            ticket = ticket_of(row, columns)
        except RowError:
            continue
        told = {target: row.values.get(column) for target, column in said.items()}
        drawn.offer((row.number, id_of(row, columns) or str(row.number), ticket, told))
    found = sorted(drawn.rows, key=lambda entry: entry[0])
    if not found:
        raise DataError(f"{path.name} holds no ticket")
    tickets: list[Ticket] = [ticket for _, _, ticket, _ in found]
    texts = [model_text(ticket.full_text) for ticket in tickets]
    answers: dict[str, Answers] = {}
    if source.assistant is not None:
        for target, matrix in source.assistant.predict_proba(texts).items():
            classes = source.assistant.targets[target]
            truth = np.array(
                [_position(told.get(target), classes) for *_, told in found], dtype=np.int64
            )
            answers[target] = Answers.of(classes, matrix, None, truth)
    embedded = _choose([False] * len(found), source)
    return make_window(
        WindowFacts(name=path.name, tickets=len(found)),
        texts,
        ids=[key for _, key, _, _ in found],
        languages=[
            ticket.language or (languages.detect(text) if languages else None)
            for ticket, text in zip(tickets, texts, strict=True)
        ],
        known=source.known,
        targets=answers,
        embeddings=source.vectors([texts[row] for row in embedded]),
        embedded=embedded,
        encoder=source.encoder,
    )


class _Drawn:
    """A random sample of what is offered, every entry as likely: Vitter's algorithm R, 1985."""

    def __init__(self, most: int, seed: int) -> None:
        self.most = most
        self.rows: list[Any] = []
        self._offered = 0
        self._random = random.Random(seed)  # noqa: S311 - no secret hangs on it

    def offer(self, row: object) -> None:
        self._offered += 1
        if len(self.rows) < self.most:
            self.rows.append(row)
        elif (place := self._random.randrange(self._offered)) < self.most:
            self.rows[place] = row


def _stored_answers(
    rows: Sequence[Answered], classes: Mapping[str, tuple[str, ...]], believed: Believed | None
) -> dict[str, Answers]:
    answers = {}
    for target, names in classes.items():
        found = [row.stored.prediction.targets.get(target) for row in rows]
        told = [answer for answer in found if answer is not None and answer.label in names]
        if not told or len(told) < len(rows):
            continue
        answers[target] = Answers(
            names,
            np.array([names.index(answer.label) for answer in told], dtype=np.int64),
            np.array([answer.confidence for answer in told], dtype=np.float64),
            np.array([_is_sure(answer) for answer in told], dtype=np.bool_),
            truth=np.array([_truth(row, target, names, believed) for row in rows], dtype=np.int64),
        )
    return answers


def _is_sure(answer: TargetPrediction) -> bool:
    # By confidence alone: classes may be withheld for reasons that are no drift of the tickets.
    return answer.threshold is not None and answer.confidence >= answer.threshold


def _truth(row: Answered, target: str, classes: Sequence[str], believed: Believed | None) -> int:
    judgement = judge(row, target, believed) if not_evidence(row) is None else None
    if judgement is None:
        return UNKNOWN
    return classes.index(judgement.label) if judgement.label in classes else OTHER


def _position(label: object, classes: Sequence[str]) -> int:
    if not isinstance(label, str) or not label.strip():
        return UNKNOWN
    return classes.index(label) if label in classes else OTHER


def _choose(first: Sequence[bool], source: Source) -> NDArray[np.int64]:
    """Rows that become vectors: those that may carry labels, then others at random."""
    order = np.random.default_rng(source.seed).permutation(len(first))
    order = order[np.argsort(~np.asarray(first, dtype=np.bool_)[order], kind="stable")]
    return np.sort(order[: source.most_embedded]).astype(np.int64)
