"""The prepared data set on disk: written once by `prepare`, read by everything after it."""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.catalog import PREPARED_COLUMNS
from data.errors import DataError
from data.split import SPLITS

TICKETS = "tickets.parquet"
TARGETS = "targets.json"
SUMMARY = "summary.json"
REJECTED = "rejected.csv"
CHECKS = "checks.md"

REJECTED_COLUMNS = ("file", "row", "id", "reason", "detail", "text")


@dataclass(frozen=True)
class Prepared:
    """Tickets in rows, ready for models.

    Parameters
    ----------
    frame : columns id, text, language, created_at, group, split, fold, near_train, resolution, then
        one per target
    targets : target -> class names in column order
    summary : the content of summary.json
    """

    frame: pd.DataFrame
    targets: dict[str, tuple[str, ...]]
    summary: dict[str, Any]

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def ordered(self) -> tuple[str, ...]:
        """Targets whose classes stand in order, from low to high."""
        return tuple(self.summary.get("ordered", ()))

    def languages(self, rows: NDArray[np.int64]) -> list[str | None]:
        """Language of each of these rows, None where the text is too short to tell."""
        column = self.frame["language"].iloc[rows]
        return [name if isinstance(name, str) else None for name in column]

    def rows(self, *splits: str) -> NDArray[np.int64]:
        """Positions of the tickets of some splits, ascending; ValueError for an unknown split."""
        unknown = sorted(set(splits) - set(SPLITS))
        if unknown:
            raise ValueError(f"no split {unknown[0]!r}; known: {', '.join(SPLITS)}")
        return np.flatnonzero(self.frame["split"].isin(splits).to_numpy()).astype(np.int64)

    def texts(self) -> list[str]:
        """All texts, shape (n,)."""
        return [str(text) for text in self.frame["text"]]

    def labels(self, target: str) -> list[str | None]:
        """The label of every ticket for a target, None where it is missing."""
        return [label if isinstance(label, str) else None for label in self.frame[target]]

    def label_index(self, target: str) -> NDArray[np.int64]:
        """The class position of every ticket, -1 where the label is missing; shape (n,)."""
        position = {label: k for k, label in enumerate(self.targets[target])}
        return np.array(
            [-1 if label is None else position[label] for label in self.labels(target)],
            dtype=np.int64,
        )


def read_prepared(folder: Path) -> Prepared:
    """What `prepare` wrote.

    Raises
    ------
    DataError
        If files are missing or do not belong together.
    """
    try:
        frame = pd.read_parquet(folder / TICKETS)
        targets = {
            target: tuple(classes)
            for target, classes in json.loads((folder / TARGETS).read_text("utf-8")).items()
        }
        summary = json.loads((folder / SUMMARY).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: {error}; run `python -m pipelines.prepare`") from error
    expected = [*PREPARED_COLUMNS, *targets]
    if list(frame.columns) != expected:
        raise DataError(f"{folder / TICKETS}: columns {list(frame.columns)}, expected {expected}")
    if fingerprint(frame) != summary.get("fingerprint"):
        raise DataError(f"{folder}: {TICKETS} is not the table that {SUMMARY} speaks of")
    return Prepared(frame, targets, summary)


def write_prepared(folder: Path, prepared: Prepared, checks: str) -> None:
    """Write tickets, targets, summary and the readable checks; the fingerprint is added."""
    folder.mkdir(parents=True, exist_ok=True)
    prepared.frame.to_parquet(folder / TICKETS, index=False, compression="zstd")
    summary = prepared.summary | {"fingerprint": fingerprint(prepared.frame)}
    _write_json(folder / TARGETS, prepared.targets)
    _write_json(folder / SUMMARY, summary)
    (folder / CHECKS).write_text(checks, "utf-8")


def write_rejected(folder: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rejected.csv, with its header even if no row was rejected."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / REJECTED).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, REJECTED_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def fingerprint(frame: pd.DataFrame) -> str:
    """sha256 over the content of a prepared table, whatever wrote its file."""
    digest = hashlib.sha256(json.dumps(list(frame.columns)).encode())
    for name in frame.columns:
        values = [None if pd.isna(value) else value for value in frame[name].tolist()]
        digest.update(json.dumps(values, ensure_ascii=True).encode())
    return digest.hexdigest()


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
