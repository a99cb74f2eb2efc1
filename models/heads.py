"""Logistic-regression heads, one per target, over features that are already there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from scipy.sparse import issparse
from scipy.special import expit, softmax

from data.errors import BundleError, ModelError
from models.base import Features, Probabilities
from models.older_heads import older_file, read_older_head

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

FILE = "heads.safetensors"


@dataclass(frozen=True, eq=False)
class Head:
    """A fitted logistic regression, as the few numbers that it is.

    weights : shape (n_features, k), of two classes (n_features, 1), which speaks for the second;
        a row for each feature, because a sparse text touches few of them
    bias : shape (k,), or (1,)
    joint : whether the classes were fitted together, or each against all others
    """

    classes_: tuple[str, ...]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    joint: bool

    def predict_proba(self, features: Features) -> Probabilities:
        """Rows that sum to 1, columns in the order of `classes_`."""
        scores: NDArray[np.float64] = features @ self.weights + self.bias  # (n, k)
        if len(self.classes_) == 2:
            second = expit(scores[:, 0])
            return np.column_stack([1 - second, second])
        if self.joint:
            together: Probabilities = softmax(scores, axis=1)
            return together
        alone = expit(scores)
        apart: Probabilities = alone / alone.sum(axis=1, keepdims=True)
        return apart


def fit_head(features: Features, labels: Sequence[str | None], c: float) -> Head:
    """Logistic regression on the rows that carry a label.

    On sparse features one binary problem per class (liblinear, dual) is as accurate as the
    multinomial one and several times faster; on dense ones it is the other way round (33,000
    vectors of 384, 8 classes: 7 against 23 s, log loss on valid 0.660 against 0.696).

    Raises
    ------
    ModelError
        If fewer than two classes occur.
    """
    # Only who learns needs these: they take a second to import, and 100 MB.
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    rows = np.array([i for i, label in enumerate(labels) if label is not None], dtype=np.int64)
    known = np.array([labels[i] for i in rows])
    classes = tuple(sorted(set(known.tolist())))
    if len(classes) < 2:
        raise ModelError(f"a head needs at least two classes; found {list(classes)}")
    if not issparse(features):
        # Two threads wait for each other in every one of hundreds of small steps: on two cores that
        # others use as well, 55 s instead of 6 with one.
        with threadpool_limits(1):
            joint = LogisticRegression(C=c, max_iter=1000).fit(features[rows], known)
        return _head(classes, [joint], joint=True)
    told = classes[1:] if len(classes) == 2 else classes
    chosen = features[rows].astype(np.float64)  # once, and not by every fit
    binary = [
        LogisticRegression(C=c, solver="liblinear", dual=True, random_state=0, max_iter=1000).fit(
            chosen, known == name
        )
        for name in told
    ]
    return _head(classes, binary, joint=False)


def predict_head(head: Head, features: Features) -> Probabilities:
    """Rows that sum to 1, columns in the order of `head.classes_`."""
    if features.shape[0] == 0:
        return np.zeros((0, len(head.classes_)))
    return head.predict_proba(features.astype(np.float64))


def save_heads(heads: Mapping[str, Head], folder: Path) -> None:
    """Write heads.safetensors: `<position of the target>.weight` and `<position>.bias`."""
    tensors: dict[str, NDArray[np.float64]] = {}
    for position, head in enumerate(heads.values()):
        tensors |= {f"{position}.weight": head.weights, f"{position}.bias": head.bias}
    joint = [head.joint for head in heads.values()]
    save_file(tensors, folder / FILE, metadata={"joint": json.dumps(joint)})


def load_heads(folder: Path, targets: Mapping[str, tuple[str, ...]]) -> dict[str, Head]:
    """Read what `save_heads` wrote; targets in the same order, with their class names.

    Bundles sealed before there was such a file hold skops files, which are read as well.

    Raises
    ------
    BundleError
        If the file is missing or damaged, or does not know the classes of its targets.
    """
    heads = {}
    if not (folder / FILE).is_file() and older_file(folder, 0).is_file():
        for position, (target, names) in enumerate(targets.items()):
            heads[target] = Head(names, *read_older_head(older_file(folder, position), names))
        return heads
    try:
        with safe_open(folder / FILE, framework="numpy") as tensors:
            joint = json.loads(tensors.metadata()["joint"])
            for position, (target, names) in enumerate(targets.items()):
                weights = tensors.get_tensor(f"{position}.weight")
                bias = tensors.get_tensor(f"{position}.bias")
                columns = 1 if len(names) == 2 else len(names)
                if weights.shape[1:] != (columns,) or bias.shape != (columns,):
                    raise BundleError(f"{FILE} does not fit the classes of {target}")
                heads[target] = Head(names, weights, bias, bool(joint[position]))
    except (OSError, KeyError, IndexError, TypeError, ValueError, SafetensorError) as error:
        raise BundleError(f"{folder / FILE} holds no heads: {type(error).__name__}") from error
    return heads


def _head(classes: tuple[str, ...], fitted: "Sequence[LogisticRegression]", *, joint: bool) -> Head:
    return Head(
        classes,
        np.ascontiguousarray(np.vstack([one.coef_ for one in fitted]).T, dtype=np.float64),
        np.concatenate([one.intercept_ for one in fitted]).astype(np.float64),
        joint,
    )
