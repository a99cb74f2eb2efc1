"""The files of GitBugs: reports in order of time, and which of them say the same."""

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from data.text import model_text


@dataclass(frozen=True, slots=True)
class Report:
    """A bug report as a member reads it; the list of them is in order of time."""

    id: str
    created: datetime
    summary: str
    text: str


def read_reports(path: Path) -> list[Report]:
    """The reports of a GitBugs file, the earliest first, those of one minute by id."""
    with path.open(encoding="utf-8", newline="") as file:
        reports = [
            Report(
                row["Issue id"],
                datetime.strptime(row["Created"], "%d/%b/%y %H:%M"),  # noqa: DTZ007
                model_text(row["Summary"]),
                model_text(f"{row['Summary']}\n{row['Description']}"),
            )
            for row in csv.DictReader(file)
        ]
    return sorted(reports, key=lambda report: (report.created, int(report.id)))


def read_pairs(path: Path) -> set[frozenset[str]]:
    """Unordered pairs; a report with several duplicates makes several."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            frozenset((row["Issue id"], other.strip()))
            for row in csv.DictReader(file)
            for other in row["Duplicate id"].split(",")
        }


def find_file(folder: Path, name: str) -> Path:
    """A file of a data set, whichever folder of it it lies in."""
    direct = folder / name
    return direct if direct.is_file() else next(iter(sorted(folder.rglob(name))), direct)
