"""What training costs as the tickets become more: the record, and its table for the docs."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, TypeAdapter

from data.schema import NonEmpty, Record
from evaluation.wording import DASH

GROWTH = Path("evaluation/reports/growth.json")


class Grown(Record):
    """One member trained on so many tickets."""

    member: NonEmpty
    tickets: int = Field(ge=1, description="of all splits; shares of the splits as in the whole")
    train: int = Field(ge=1, description="of these, learned from")
    seconds: float = Field(gt=0, description="all fits, folds included, and all answers")
    peak_mib: float = Field(gt=0, description="largest process")


class Growth(Record):
    """Members trained on more and more tickets, one after the other on the same machine."""

    dataset: NonEmpty
    cores: int = Field(ge=1)
    instructions: NonEmpty
    points: tuple[Grown, ...]


_READER = TypeAdapter(Growth)


def read_growth(path: Path = GROWTH) -> Growth | None:
    """What was kept; None before the first measurement."""
    return _READER.validate_json(path.read_bytes()) if path.is_file() else None


def render_growth(growth: Growth | None) -> str:
    """A markdown table: a row per size, for each member seconds, milliseconds a ticket, memory."""
    if growth is None:
        return "Not measured yet: `python -m pipelines.growth`."
    members = list(dict.fromkeys(point.member for point in growth.points))
    sizes = sorted({point.tickets for point in growth.points})
    head = ["tickets", *(f"{name}: s, ms a ticket, MiB" for name in members)]
    found = {(point.member, point.tickets): point for point in growth.points}
    rows = [
        [f"{size:,}".replace(",", " "), *(_cell(found.get((name, size))) for name in members)]
        for size in sizes
    ]
    where = f"{growth.dataset}, {growth.cores} cores, {growth.instructions}."
    return "\n".join([*_table(head, rows), "", where])


def _cell(point: Grown | None) -> str:
    if point is None:
        return DASH
    each = 1000 * point.seconds / point.tickets
    return f"{point.seconds:.0f}, {each:.1f}, {point.peak_mib:.0f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
