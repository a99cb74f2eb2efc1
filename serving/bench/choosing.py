"""Which tickets a benchmark asks about: real ones, of the test split.

Apart from `texts`, because the generator must start fast and reads no tables.
"""

from pathlib import Path

import numpy as np

from data.errors import DataError
from data.prepared import read_prepared
from evaluation.bench_records import Texts

SPLIT = "test"


def choose_texts(prepared: Path, most: int | None = None, seed: int = 1) -> tuple[Texts, list[str]]:
    """Texts of the test split, and what is to be said of them.

    Parameters
    ----------
    most : so many are drawn; None: all

    Raises
    ------
    DataError
        If nothing is prepared or no ticket is in the split.
    """
    found = read_prepared(prepared)
    rows = found.rows(SPLIT)
    if not len(rows):
        raise DataError(f"{prepared} holds no {SPLIT} ticket to ask about")
    if most is not None and most < len(rows):
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    texts = [str(text) for text in found.frame["text"].iloc[rows]]
    lengths = np.array([len(text) for text in texts])
    p50, p90 = np.percentile(lengths, [50, 90])
    facts = Texts(
        dataset=str(found.summary["dataset"]),
        split=SPLIT,
        tickets=len(texts),
        characters_p50=round(p50),
        characters_p90=round(p90),
        characters_max=int(lengths.max()),
    )
    return facts, texts
