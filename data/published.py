"""Splits that others have published, honoured row by row."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from data.catalog import SPLIT_COLUMN, Dataset, Part
from data.errors import DataError
from data.tables import Row, read_column_values

# Where a row is in two parts of a published split, the one that must stay unseen wins.
_ORDER = ("test", "calibration", "valid", "train")


def published_parts(
    rows: Sequence[Row], dataset: Dataset, split: str, folder: Path
) -> list[str | None]:
    """For each row the split in which a published split puts it, None where it says nothing.

    Parameters
    ----------
    rows : all rows of the data set, the rejected ones too, so that the number can be checked
    split : a name under `published` of the entry
    folder : the fetched data set

    Raises
    ------
    DataError
        If a part has not exactly as many rows as the entry says.
    """
    parts: list[str | None] = [None] * len(rows)
    if split == SPLIT_COLUMN and dataset.split:
        return parts  # each ticket carries its own
    for name in sorted(dataset.published[split], key=_ORDER.index):
        part = dataset.published[split][name]
        members = _members(rows, dataset, part, folder)
        count = sum(members)
        if part.rows is not None and count != part.rows:
            raise DataError(
                f"{dataset.name}: the {name} part of {split} has {count:,} rows, "
                f"expected {part.rows:,}"
            )
        for position, inside in enumerate(members):
            if inside and parts[position] is None:
                parts[position] = name
    return parts


def _members(rows: Sequence[Row], dataset: Dataset, part: Part, folder: Path) -> list[bool]:
    if not part.columns:
        return [row.file == part.file for row in rows]
    wanted = set(read_column_values(folder / part.file, dataset, part.columns))
    if part.sha256_of:
        return [(_digest(row, part),) in wanted for row in rows]
    return [tuple(str(row.values.get(column)) for column in part.columns) in wanted for row in rows]


def _digest(row: Row, part: Part) -> str:
    values = (" ".join(str(row.values.get(column, "")).split()) for column in part.sha256_of)
    joined = part.separator.join(values)
    return hashlib.sha256(joined.encode("utf-8", "surrogateescape")).hexdigest()
