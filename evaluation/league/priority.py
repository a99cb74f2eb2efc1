"""How bad it is: levels that stand in order, where the text tells them and where it does not.

The bundled sample says in its texts how bad things are. Bug trackers hardly do: most reports keep
the level that the form offers first. There a system is good if it knows that it does not know:
confidence that holds, and nothing routed on the strength of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.catalog import CATALOG, Dataset, read_catalog
from evaluation.intervals import draw_counts
from evaluation.league.benchmark import Figure, shared_texts
from evaluation.league.priority_figures import (
    by_row,
    calibration_figures,
    chance_figure,
    level_figures,
    mean_figure,
    overconfidence,
)
from evaluation.league.priority_tickets import Tickets, answer_by_folds, read_tickets
from evaluation.metrics import Floats, Outcomes
from models.base import Probabilities
from models.embedding import EmbeddingMember
from models.ensemble import EnsembleParams, fit_combination
from models.evidence import read_lexicon
from models.linear import LinearMember
from models.ordinal import Choice, OrdinalParams, choose_adjustment, cross_fit, fit_adjustment
from models.routing import RoutingParams
from models.severity import LevelEvidence
from models.transfer import fit_transferred

CHOSEN = "test"
"""The answers as they would be given: adjusted only where train rows speak for it."""

ALONE = "test, members alone"
ORDER = "test, with order"
EVIDENCE = "test, with order and evidence"
COMMONEST = "test, always the commonest level"
DIFFERENCE = "test, order and evidence less members alone"

FOLDS = "train, by folds"
"""The answers to train rows, each by models and an adjustment that have not seen it."""

ORDINAL = OrdinalParams(C=0.3)
"""Of the sample's train rows by folds it takes the least log loss of 0.03, 0.1, 0.3 and 1."""

_DRAWS = 1_000
_SMALL = 240
_SMALLEST_WEIGHT = 0.02


@dataclass
class Priority:
    """Members, combination, adjustment and certificate as the pipeline makes them.

    Members answer train rows by folds; their weights are fitted there, the temperatures of the
    final ones on valid where that has rows enough. Thresholds are certified on train rows, held
    against calibration rows and measured on test rows: the newest fifth, or where no time tells, a
    fifth drawn by group.

    Attributes
    ----------
    name, datasets : see `Benchmark`; a single data set here
    target : its classes stand in order
    others : further targets of the data set whose probabilities count as evidence
    embedding : whether the frozen sentence encoder is asked besides the linear member
    folds : parts of train for cross-fitting
    limit : tickets read at most, spread evenly over time; None: all
    """

    name: str
    datasets: tuple[str, ...]
    target: str
    others: tuple[str, ...] = ()
    embedding: bool = True
    folds: int = 5
    limit: int | None = None

    def run(self, folders: Mapping[str, Path], *, small: bool) -> Sequence[Figure]:
        """Figures of the answers, of the same without order or evidence, and of one fixed level."""
        (source,) = self.datasets
        limit = _SMALL if small else self.limit
        tickets = read_tickets(
            folders[source],
            _with_levels(source, self.target),
            (self.target, *self.others),
            2 if small else self.folds,
            limit,
        )
        members: dict[str, LinearMember | EmbeddingMember] = {"linear": LinearMember()}
        if self.embedding and not small:
            members["embedding"] = EmbeddingMember()
        answers = answer_by_folds(tickets, members)
        calibrated = {
            target: _combine(tickets, target, by_member) for target, by_member in answers.items()
        }
        versions, choice = adjust(tickets, self.target, calibrated)
        return _measure(tickets, self.target, versions, choice)


SEVERITY_SAMPLE = Priority("severity-sample", ("sample",), "severity", others=("sentiment",))
GITBUGS_PRIORITY = Priority("gitbugs-priority", ("gitbugs-hadoop",), "priority")
# A sentence encoder has nothing to read in lists of words.
APACHE_PRIORITY = Priority(
    "apache-priority", ("apache-bugfix",), "priority", embedding=False, folds=3
)


def adjust(
    tickets: Tickets, target: str, calibrated: Mapping[str, Probabilities]
) -> tuple[dict[str, Probabilities], Choice]:
    """Split name -> probabilities of all rows, and what decided whether they are adjusted.

    Parameters
    ----------
    calibrated : target -> probabilities of all rows, those of other targets count as evidence
    """
    train = tickets.rows("train")
    rest = np.setdiff1d(np.arange(len(tickets.texts)), train)
    plain, truth, c = calibrated[target], tickets.truth(target), ORDINAL.C
    names, evidence = _evidence(tickets, target, calibrated)

    def adjusted(names: Sequence[str], evidence: Floats) -> Probabilities:
        known = (plain[train], evidence[train], names, truth[train])
        heard = plain.copy()
        heard[train] = cross_fit(*known, tickets.fold[train], c)
        heard[rest] = fit_adjustment(*known, c).apply(plain[rest], evidence[rest])
        return heard

    both = adjusted(names, evidence)
    choice = choose_adjustment(
        plain[train], evidence[train], names, truth[train], tickets.fold[train], c
    )
    shares = np.bincount(truth[train], minlength=plain.shape[1]) / len(train)
    versions = {
        CHOSEN: plain if choice.adjustment is None else both,
        ALONE: plain,
        ORDER: adjusted((), evidence[:, :0]),
        EVIDENCE: both,
        COMMONEST: np.tile(shares, (len(plain), 1)),
    }
    return versions, choice


def _with_levels(source: str, target: str) -> Dataset:
    """The entry of a data set; one that lists no levels has those that Jira offers."""
    catalog = read_catalog(Path(__file__).parents[2] / CATALOG)
    dataset = catalog[source]
    if target in dataset.labels:
        return dataset
    jira = catalog[GITBUGS_PRIORITY.datasets[0]].labels[GITBUGS_PRIORITY.target]
    return dataset.model_copy(update={"labels": {target: jira}})


def _combine(tickets: Tickets, target: str, answers: Mapping[str, Probabilities]) -> Probabilities:
    """Calibrated mean of the members, shape (n, k)."""
    truth = tickets.truth(target)
    train, valid = (
        rows[truth[rows] >= 0] for rows in (tickets.rows("train"), tickets.rows("valid"))
    )

    def of(rows: NDArray[np.int64]) -> dict[str, Probabilities]:
        return {name: found[rows] for name, found in answers.items()}

    # Models fitted on fewer tickets are differently sure of themselves: own temperatures.
    by_folds = fit_combination(of(train), truth[train], _SMALLEST_WEIGHT)
    final = by_folds
    if len(valid) >= EnsembleParams().least_valid:
        final = fit_combination(of(valid), truth[valid], _SMALLEST_WEIGHT, by_folds.weights)
    combined = final.combine(answers)
    combined[tickets.rows("train")] = by_folds.combine(of(tickets.rows("train")))
    return combined


def _evidence(
    tickets: Tickets, target: str, calibrated: Mapping[str, Probabilities]
) -> tuple[tuple[str, ...], Floats]:
    """Names and features (n, n_evidence): what the text says, then what other targets are."""
    others = {name: classes for name, classes in tickets.classes.items() if name != target}
    evidence = LevelEvidence(read_lexicon(), others)
    return evidence.names, evidence.features(tickets.texts, calibrated)


def _measure(
    tickets: Tickets, target: str, versions: Mapping[str, Probabilities], choice: Choice
) -> list[Figure]:
    truth, test = tickets.truth(target), tickets.rows("test")
    train, valid, held_out = (tickets.rows(name) for name in ("train", "valid", "calibration"))
    counts = draw_counts([tickets.groups[row] for row in test], _DRAWS, 0)
    figures: list[Figure] = []
    rows: dict[str, dict[str, Floats]] = {}
    for split, found in versions.items():
        policy = fit_transferred(
            (found[train], truth[train]),
            (found[valid], truth[valid]),
            (found[held_out], truth[held_out]),
            tickets.classes[target],
            RoutingParams(),
            "cross-fitted",
        )
        automatic = policy.decide(found[test]).automatic
        outcomes = Outcomes(truth[test], found[test], automatic)
        figures += level_figures(split, outcomes, counts)
        rows[split] = by_row(outcomes)
        if split == CHOSEN:
            figures.append(chance_figure(split, outcomes))
    for metric, values in rows[EVIDENCE].items():
        figures.append(mean_figure(DIFFERENCE, metric, values - rows[ALONE][metric], counts))
    drawn = draw_counts([tickets.groups[row] for row in train], _DRAWS, 0)
    by_folds = Outcomes(truth[train], versions[CHOSEN][train])
    figures += calibration_figures(FOLDS, by_folds, drawn)
    figures.append(overconfidence(FOLDS, by_folds, drawn))
    mean, error = choice.gain
    figures.append(
        Figure(
            split=FOLDS,
            metric="log_loss taken off by order and evidence",
            value=mean,
            ci=(mean - 1.96 * error, mean + 1.96 * error),
            n=len(train),
        )
    )
    others = np.setdiff1d(np.arange(len(truth)), test)
    return [
        *figures,
        shared_texts((tickets.texts[row] for row in others), [tickets.texts[row] for row in test]),
    ]
