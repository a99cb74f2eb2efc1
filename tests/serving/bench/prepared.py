"""A prepared data set of invented tickets, as `pipelines.prepare` would leave it."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data.catalog import PREPARED_COLUMNS
from data.prepared import Prepared, write_prepared


def prepare_tickets(folder: Path, texts: Sequence[str], splits: Sequence[str]) -> None:
    n = len(texts)
    known: dict[str, Sequence[object]] = {
        "id": [str(i) for i in range(n)],
        "text": list(texts),
        "language": ["en"] * n,
        "group": [str(i) for i in range(n)],
        "split": list(splits),
        "fold": [-1] * n,
        "near_train": [False] * n,
        "category": ["printer"] * n,
    }
    columns = [*PREPARED_COLUMNS, "category"]
    frame = pd.DataFrame({name: known.get(name, [None] * n) for name in columns})
    write_prepared(
        folder, Prepared(frame, {"category": ("printer", "network")}, {"dataset": "sample"}), ""
    )
