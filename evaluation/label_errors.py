"""Labels that are probably wrong, found by confident learning (cleanlab)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.metrics import Integers

COLUMNS = ("id", "target", "split", "given", "suggested", "score")


def find_label_errors(
    ids: Sequence[str],
    splits: Sequence[str],
    target: str,
    labels: Integers,
    probabilities: NDArray[np.floating],
    classes: Sequence[str],
) -> pd.DataFrame:
    """Rows whose label the ensemble contradicts, most suspicious first.

    Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
    JAIR 2021. The probabilities must come from models that did not learn from the row.

    Parameters
    ----------
    labels : class positions of shape (n,), -1 where missing
    probabilities : shape (n, k), NaN rows where unknown; both kinds of row are left out

    Returns
    -------
    DataFrame with `COLUMNS`; `score` is the probability of the given label minus that of the best
    other one, in [-1, 1]: the lower, the more suspicious. Empty where fewer than two classes occur.
    """
    # Imported here because cleanlab pulls in scikit-learn's model selection: a second of start-up.
    from cleanlab.filter import find_label_issues

    known = np.flatnonzero((labels >= 0) & np.isfinite(probabilities).all(axis=1))
    present = np.unique(labels[known])
    if len(present) < 2:
        return pd.DataFrame(columns=list(COLUMNS))
    # cleanlab wants classes 0..k-1, all of them present.
    kept = probabilities[np.ix_(known, present)].astype(np.float64) + 1e-12
    kept /= kept.sum(axis=1, keepdims=True)
    given = np.searchsorted(present, labels[known])
    issues = find_label_issues(given, kept, n_jobs=1, filter_by="prune_by_noise_rate")
    found = np.flatnonzero(issues)
    rows = np.arange(len(found))
    own = kept[found, given[found]].copy()
    others = kept[found]
    others[rows, given[found]] = -1
    names = np.asarray(classes, dtype=object)[present]
    table = pd.DataFrame(
        {
            "id": np.asarray(ids, dtype=object)[known[found]],
            "target": target,
            "split": np.asarray(splits, dtype=object)[known[found]],
            "given": names[given[found]],
            "suggested": names[others.argmax(axis=1)],
            "score": (own - others.max(axis=1)).round(4),
        },
        columns=list(COLUMNS),
    )
    return table.sort_values(["score", "id"], kind="stable", ignore_index=True)
