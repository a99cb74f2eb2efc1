"""The table of prepared tickets: a row each, those of feedback after those of the data set."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.catalog import PREPARED_COLUMNS
from data.split import SPLITS, find_near_train
from data.text import model_text
from pipelines.clean_tickets import CleanTicket
from pipelines.feedback_tickets import Learned


def make_table(
    clean: Sequence[CleanTicket],
    targets: Sequence[str],
    groups: Sequence[str],
    splits: Sequence[str],
    folds: NDArray[np.int8],
) -> pd.DataFrame:
    """A row per ticket, with a column per target; whatever is sequence or array has length n."""
    columns: dict[str, object] = {
        "id": [t.raw.id for t in clean],
        "text": [t.text for t in clean],
        "language": [t.language for t in clean],
        "created_at": [t.raw.created_at for t in clean],
        "group": groups,
        "split": splits,
        "fold": folds,
        "near_train": find_near_train(groups, splits),
        "resolution": pd.Series([_resolution(t.raw.resolution) for t in clean], dtype=object),
    }
    for target in targets:
        columns[target] = pd.Series([t.raw.labels[target] for t in clean], dtype=object)
    return pd.DataFrame(columns)[[*PREPARED_COLUMNS, *targets]]


def join_feedback(frame: pd.DataFrame, learned: Learned, targets: Sequence[str]) -> pd.DataFrame:
    """The table with feedback tickets after those of the data set, all of them in train."""
    if not learned.tickets:
        return frame
    more = pd.DataFrame(
        [
            {
                "id": ticket.id,
                "text": ticket.text,
                "language": ticket.language,
                "created_at": ticket.created_at,
                "group": ticket.group,
                "split": "train",
                "fold": ticket.fold,
                "near_train": False,
                "resolution": None,
                **{target: ticket.labels.get(target) for target in targets},
            }
            for ticket in learned.tickets
        ],
        columns=list(frame.columns),
    )
    # Columns that are empty in either part would otherwise lose their type.
    parts = [part.astype(object) for part in (frame, more)]
    return pd.concat(parts, ignore_index=True).astype(frame.dtypes.to_dict())


def count_classes(
    frame: pd.DataFrame, classes: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, dict[str, int]]]:
    """Target -> class -> split -> tickets."""
    return {
        target: {
            label: {
                name: int(((frame[target] == label) & (frame["split"] == name)).sum())
                for name in SPLITS
            }
            for label in labels
        }
        for target, labels in classes.items()
    }


def _resolution(text: str | None) -> str | None:
    return model_text(text) if text else None
