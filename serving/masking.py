"""A ticket and its answer as they may be kept: without personal data, offsets still true."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import TypeVar

from data.privacy import KINDS, mask
from data.schema import MAX_TEXT, Entity, Evidence, Prediction, Ticket

_PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(KINDS)})\]")
_MAX_SUBJECT = 1_000


Placed = TypeVar("Placed", Entity, Evidence)


def mask_answered(ticket: Ticket, prediction: Prediction) -> tuple[Ticket, Prediction]:
    """Both without what `data.privacy` hides; the ticket's own id is its key and stays.

    Entities and evidence are moved to where their characters stand in the masked text; those that
    lay in a hidden place are left out, because their values would tell it. A masked text longer
    than a ticket may be is cut at its end: a placeholder may be longer than what it hides.
    """
    subject = mask(ticket.subject).text[:_MAX_SUBJECT]
    text = mask(ticket.text).text[:MAX_TEXT]
    masked = ticket.model_copy(update={"subject": subject, "text": text})
    if subject == ticket.subject and text == ticket.text:
        return masked, prediction
    places = _Places(ticket.full_text, masked.full_text)
    targets = {
        name: answer.model_copy(update={"evidence": places.move(answer.evidence)})
        for name, answer in prediction.targets.items()
    }
    entities = places.move(prediction.entities)
    return masked, prediction.model_copy(update={"targets": targets, "entities": entities})


class _Places:
    """Where the characters of a text stand in its masked copy.

    The pieces between placeholders stand in the original in the same order. Where a piece occurs
    several times the first place is taken: its characters are the same, so nothing hidden shows.
    """

    def __init__(self, original: str, masked: str) -> None:
        self._starts: list[int] = []  # of the pieces, in the original
        self._pieces: list[tuple[int, int]] = []  # length, and start in the masked copy
        at, position = 0, 0
        while at <= len(masked):
            placeholder = _PLACEHOLDER.search(masked, at)
            stop = len(masked) if placeholder is None else placeholder.start()
            start = original.find(masked[at:stop], position)
            if start < 0:
                return
            self._starts.append(start)
            self._pieces.append((stop - at, at))
            if placeholder is None:
                return
            # A placeholder hides at least one character.
            at, position = placeholder.end(), start + (stop - at) + 1

    def move(self, records: Sequence[Placed]) -> tuple[Placed, ...]:
        """The records that lie in one piece, at their new place."""
        return tuple(moved for record in records if (moved := self._moved(record)) is not None)

    def _moved(self, record: Placed) -> Placed | None:
        index = bisect_right(self._starts, record.start) - 1
        if index < 0:
            return None
        length, to = self._pieces[index]
        shift = to - self._starts[index]
        if record.end > self._starts[index] + length:
            return None
        return record.model_copy(update={"start": record.start + shift, "end": record.end + shift})
