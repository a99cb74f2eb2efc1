"""What a wrong decision costs, and how much of that is to be expected of an answer.

A file tells it per target: `cost[actual][told]`, in whatever unit the organisation counts.

    severity:
      critical: {low: 50, medium: 20}   # told low, was critical: 50
      low: {critical: 2}

What the file does not name costs 1 where it is wrong and 0 where it is right.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from data.errors import CatalogError
from data.schema import Prediction, TargetPrediction
from data.yaml_files import read_yaml

ERROR = 1.0
"""Of a wrong label that no file names."""

Matrix = Mapping[str, Mapping[str, float]]


class Costs:
    """Costs of errors per target.

    Parameters
    ----------
    matrices : target -> actual label -> told label -> cost, at least 0; empty: every error costs 1
    """

    def __init__(self, matrices: Mapping[str, Matrix] | None = None) -> None:
        self.matrices = dict(matrices or {})

    @classmethod
    def read(cls, path: Path) -> Self:
        """The costs in a YAML or JSON file.

        Raises
        ------
        CatalogError
            If the file is missing or broken, a label is no text, or a cost is no number from 0 on.
        """
        found = read_yaml(path)
        return cls({target: _matrix(path, target, rows) for target, rows in found.items()})

    def require_known(self, targets: Mapping[str, Sequence[str]], where: str) -> None:
        """Refuse a file that speaks of targets or labels that a bundle cannot answer.

        Raises
        ------
        CatalogError
            It names the first that is not known, and those that are.
        """
        for target, rows in self.matrices.items():
            _require(target, targets, f"{where}: a target")
            for actual, row in rows.items():
                _require(actual, targets[target], f"{where}.{target}: a label")
                for told in row:
                    _require(told, targets[target], f"{where}.{target}.{actual}: a label")

    def of(self, target: str, actual: str, told: str) -> float:
        """What it costs to tell one label where another is right; 0 for the right one."""
        if actual == told:
            return 0.0
        return self.matrices.get(target, {}).get(actual, {}).get(told, ERROR)

    def expected(self, target: str, answer: TargetPrediction, labels: Sequence[str] = ()) -> float:
        """What telling `answer.label` costs on average: sum over labels a of P(a) * cost[a][told].

        P is known of the label told (its confidence) and of the shortlist. What is missing to 1 is
        charged at the mean cost over the labels that are left, as if each were as likely. Not at
        the worst: one dear and rare label would then outweigh all that is known of a ticket, and
        the order of the review would be that of the missing mass alone.

        Parameters
        ----------
        labels : all that the bundle may answer; without them, those the costs name are left
        """
        told = answer.label
        known = {c.label: c.probability for c in answer.shortlist if c.label != told}
        cost = sum(p * self.of(target, actual, told) for actual, p in known.items())
        missing = 1 - answer.confidence - sum(known.values())
        if missing <= 0:
            return float(cost)
        named = labels or tuple(self.matrices.get(target, {}))
        left = [self.of(target, a, told) for a in named if a != told and a not in known]
        return float(cost + missing * (math.fsum(left) / len(left) if left else ERROR))

    def expected_of(
        self, prediction: Prediction, targets: Mapping[str, Sequence[str]] | None = None
    ) -> dict[str, float]:
        """Target -> expected cost of acting on its answer; `targets` as the bundle names them."""
        labels = targets or {}
        return {
            target: self.expected(target, answer, labels.get(target, ()))
            for target, answer in prediction.targets.items()
        }


def _matrix(path: Path, target: object, rows: object) -> dict[str, dict[str, float]]:
    place = f"{path}: {_text(path, target)}"
    if not isinstance(rows, dict):
        raise CatalogError(
            f"{place}: expected actual labels, each with the costs of telling others"
        )
    matrix: dict[str, dict[str, float]] = {}
    for actual, row in rows.items():
        name = _text(place, actual)
        if not isinstance(row, dict):
            raise CatalogError(f"{place}.{name}: expected told labels, each with a cost")
        matrix[name] = {
            _text(f"{place}.{name}", told): _cost(f"{place}.{name}.{told}", cost)
            for told, cost in row.items()
        }
        if matrix[name].get(name, 0):
            raise CatalogError(f"{place}.{name}.{name}: the right label costs nothing")
    return matrix


def _text(place: object, label: object) -> str:
    if not isinstance(label, str):
        raise CatalogError(f"{place}: {label!r} is no text; put it into quotes")
    return label


def _cost(place: str, value: object) -> float:
    try:
        cost = math.nan if isinstance(value, bool | str) else float(value)  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        cost = math.nan
    if not 0 <= cost < math.inf:
        raise CatalogError(f"{place}: a cost is a number from 0 on, not {value!r}")
    return cost


def _require(name: str, known: Iterable[str], what: str) -> None:
    if name not in known:
        raise CatalogError(
            f"{what} {name!r} that the bundle does not know; it knows: {', '.join(known)}"
        )
