"""The league: published figures on the very test split we were measured on, with their sources."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

PUBLISHED = Path(__file__).with_name("published.yaml")

Share = float | None


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Published(_Record):
    """What somebody published about one system, and where."""

    system: str
    source: str = Field(description="owner/name of the repository")
    place: str = Field(description="where in it the figures stand")
    accuracy: Share = Field(default=None, ge=0, le=1)
    macro_f1: Share = Field(default=None, ge=0, le=1)
    ece: Share = Field(default=None, ge=0, le=1)
    coverage: Share = Field(default=None, ge=0, le=1, description="share routed automatically")
    automatic_accuracy: Share = Field(default=None, ge=0, le=1)
    computed: str | None = Field(default=None, description="how, where not read but computed")
    note: str | None = None
    ours: bool = False


class Split(_Record):
    """One published test split and what was measured on it."""

    title: str
    test: int = Field(gt=0, description="tickets")
    rows: tuple[Published, ...]


class DatasetLeague(_Record):
    """All that was published on one data set."""

    target: str
    splits: dict[str, Split]
    elsewhere: tuple[Published, ...] = ()


class Table(_Record):
    """A table as it is shown: ours among the others only where the split is the same."""

    title: str
    same_split: bool
    rows: tuple[Published, ...]


def read_league(path: Path = PUBLISHED) -> dict[str, DatasetLeague]:
    """Data set -> its published figures."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: DatasetLeague.model_validate(entry) for name, entry in raw.items()}


def make_tables(
    league: dict[str, DatasetLeague],
    dataset: str,
    published_split: str | None,
    n_test: int,
    figures: dict[str, dict[str, Any]],
) -> list[Table]:
    """The tables of a data set, ours in the one whose split we were measured on.

    Parameters
    ----------
    published_split : name of the split the run honoured, None where it drew its own
    n_test : test tickets of the run; a split of another size is not the same split
    figures : target -> the figures of the ensemble

    Returns
    -------
    Our table first, then the others, then what was measured on unknown splits; rows by falling
    accuracy.
    """
    entry = league.get(dataset)
    if entry is None or entry.target not in figures:
        return []
    tables = []
    for name, split in entry.splits.items():
        same = name == published_split and split.test == n_test
        rows = [*split.rows, _ours(figures[entry.target])] if same else list(split.rows)
        tables.append(Table(title=split.title, same_split=same, rows=_sorted(rows)))
    tables.sort(key=lambda table: not table.same_split)
    if entry.elsewhere:
        title = "The same tickets, another or an unknown test split: not comparable"
        tables.append(Table(title=title, same_split=False, rows=_sorted(list(entry.elsewhere))))
    return tables


def _ours(figures: dict[str, Any]) -> Published:
    return Published(
        system="Ticket Assistant, this run",
        source="this report",
        place="certificate per class",
        accuracy=figures["accuracy"],
        macro_f1=figures["macro_f1"],
        ece=figures["ece"],
        coverage=figures["certified_automation"],
        automatic_accuracy=figures["automatic_accuracy"],
        ours=True,
    )


def _sorted(rows: list[Published]) -> tuple[Published, ...]:
    return tuple(sorted(rows, key=lambda row: (row.accuracy is None, -(row.accuracy or 0))))
