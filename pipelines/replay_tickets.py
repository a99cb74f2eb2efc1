"""The tickets of the replay: what is learned from first, then month by month what comes in."""

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from data.catalog import Catalog, Dataset
from data.errors import DataError
from data.fetching import Places, fetch_dataset
from data.records import RawTicket, read_records
from data.schema import MAX_TEXT
from data.tables import read_rows


@dataclass(frozen=True)
class Known:
    """A ticket whose right label is known; `month` is that of the replay, such as 2012-03."""

    id: str
    text: str
    label: str
    month: str
    created_at: str | None


@dataclass(frozen=True)
class Month:
    """What comes in during one month, in order of time."""

    name: str
    tickets: tuple[Known, ...]


@dataclass(frozen=True)
class Story:
    """What one run of the replay plays.

    Attributes
    ----------
    first : learned from before anything is asked
    """

    target: str
    first: tuple[Known, ...]
    months: tuple[Month, ...]

    @property
    def truth(self) -> dict[str, str]:
        """Id -> right label of all tickets that come in."""
        return {ticket.id: ticket.label for month in self.months for ticket in month.tickets}


def fetch_known(
    name: str, target: str, catalog: Catalog, root: Path, folder: Path, client: httpx.Client,
    mirror: Path | None,
) -> list[Known]:  # fmt: skip
    """All tickets of a data set that carry a label of the target, fetched and verified.

    Raises
    ------
    FetchError
        If neither the mirror nor the network has its files.
    """
    dataset = catalog[name]
    places = Places(root, folder / "dataset", folder / "downloads", mirror)
    fetch_dataset(dataset, places, client)
    return read_known(places.folder, dataset, target)


def read_known(folder: Path, dataset: Dataset, target: str) -> list[Known]:
    """Tickets of a fetched data set with a label of the target, by time, then by id."""
    rows = (row for name in dataset.tables for row in read_rows(folder / name, dataset))
    raw, _ = read_records(rows, dataset, [target], MAX_TEXT)
    found = [_known(ticket, target) for ticket in raw if ticket.labels[target]]
    return sorted(found, key=lambda ticket: (ticket.created_at or "", ticket.id))


def by_calendar(target: str, tickets: Sequence[Known], first: int, skipped: int = 0) -> Story:
    """The months as they were, the first ones to learn from.

    Parameters
    ----------
    skipped : months left out, before the first ones

    Raises
    ------
    DataError
        If a ticket has no time, or there are no months after the first ones.
    """
    if any(ticket.created_at is None for ticket in tickets):
        raise DataError("the replay by months needs the time of every ticket")
    months = [
        Month(name, tuple(group))
        for name, group in itertools.groupby(tickets, key=lambda ticket: ticket.month)
    ][skipped:]
    if len(months) <= first:
        raise DataError(f"{len(months)} months of tickets, and {first} of them are learned first")
    learned = tuple(ticket for month in months[:first] for ticket in month.tickets)
    return Story(target, learned, tuple(months[first:]))


def shuffled(story: Story, seed: int) -> Story:
    """The same tickets and sizes of months, each ticket in a place drawn at random: stationary."""
    tickets = [*story.first, *(ticket for month in story.months for ticket in month.tickets)]
    random.Random(seed).shuffle(tickets)  # noqa: S311
    dealt = iter(tickets)
    first = tuple(itertools.islice(dealt, len(story.first)))
    months = tuple(
        Month(month.name, tuple(itertools.islice(dealt, len(month.tickets))))
        for month in story.months
    )
    return Story(story.target, first, months)


def at_random(
    target: str, tickets: Sequence[Known], first: int, months: int, size: int, seed: int
) -> Story:
    """Months of `size` tickets drawn at random, after `first` tickets to learn from.

    Raises
    ------
    DataError
        If there are not so many tickets.
    """
    if first + months * size > len(tickets):
        raise DataError(f"{first} + {months} x {size} tickets are asked for, of {len(tickets)}")
    drawn = random.Random(seed).sample(list(tickets), first + months * size)  # noqa: S311
    parts = [drawn[first + i * size : first + (i + 1) * size] for i in range(months)]
    named = [Month(f"month {i + 1:03}", tuple(part)) for i, part in enumerate(parts)]
    return Story(target, tuple(drawn[:first]), tuple(named))


def limit(story: Story, months: int | None, tickets: int | None, seed: int) -> Story:
    """At most so many months, and so many tickets of each, drawn at random and in order."""
    draw = random.Random(seed)  # noqa: S311
    kept = []
    for month in story.months[:months]:
        rows = range(len(month.tickets))
        if tickets is not None and len(rows) > tickets:
            rows = sorted(draw.sample(rows, tickets))  # type: ignore[assignment]
        kept.append(Month(month.name, tuple(month.tickets[row] for row in rows)))
    return Story(story.target, story.first, tuple(kept))


def labels_of(tickets: Sequence[Known]) -> tuple[str, ...]:
    """The labels that occur, in order of the alphabet."""
    return tuple(sorted({ticket.label for ticket in tickets}))


def as_row(ticket: Known, target: str) -> Mapping[str, str | None]:
    """A line of the data set that is learned from first."""
    return {
        "id": ticket.id,
        "text": ticket.text,
        target: ticket.label,
        "created_at": ticket.created_at,
    }


def _known(ticket: RawTicket, target: str) -> Known:
    label = ticket.labels[target]
    assert label is not None
    month = (ticket.created_at or "")[:7]
    return Known(ticket.id, ticket.text, label, month, ticket.created_at)
