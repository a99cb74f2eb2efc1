"""What is fitted for one target: weights, temperatures, certificate and shortlist."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from data.prepared import Prepared
from models.base import Probabilities
from models.calibration import Gain, fit_temperature
from models.confidence_map import ChosenMap, choose_map
from models.ensemble import Combination, EnsembleParams, TargetEnsemble, fit_combination
from models.language_slices import certify_languages
from models.ordinal import OrdinalAdjustment, choose_adjustment
from models.pooling import ChosenPool, choose_pool
from models.routing import RoutingParams, RoutingPolicy, fit_policy
from models.shortlist import fit_shortlist
from models.transfer import fit_transferred

logger = logging.getLogger(__name__)

CROSS_FITTED = (
    "per-class thresholds by fixed-sequence testing of exact Clopper–Pearson bounds, on the "
    "out-of-fold answers of train rows; what is asked of them is raised by what the calibration "
    "rows cannot rule out of the final answers"
)
HELD_OUT = (
    "per-class thresholds by fixed-sequence testing of exact Clopper–Pearson bounds, on the "
    "calibration rows, which no model was fitted on"
)
CROSS_FITTED_NOTE = (
    "Out-of-fold answers come from models fitted on a part of the tickets that the final members "
    "were fitted on. How much oftener the final ones may err above the same thresholds is bounded "
    "on the calibration rows, which nothing was fitted on, all classes together; the certificate "
    "of each class assumes that its share of errors has grown no more than that. Where this "
    "certifies nothing, a class takes over the share of its tickets that was certified, which "
    "assumes that the final members put right answers before wrong ones at least as well. A class "
    "that the calibration rows contradict loses its certificate."
)

FOLDS = 5
"""Parts for choosing between ways to combine; a group of tickets is in one."""

Answers = Mapping[str, NDArray[np.float32]]


def fit_target(
    prepared: Prepared,
    target: str,
    answers: Answers,
    ensemble: EnsembleParams,
    routing: RoutingParams,
    levels: "Levels | None" = None,
) -> tuple[TargetEnsemble, Probabilities]:
    """Everything fitted for one target, and its calibrated probabilities of all rows.

    Parameters
    ----------
    answers : member -> probabilities of shape (n_rows, n_classes), NaN rows where unknown
    levels : what an ordered target is read from beside them
    """
    truth = prepared.label_index(target)
    splits = {name: prepared.rows(name) for name in ("train", "valid", "calibration")}
    labelled = {name: rows[truth[rows] >= 0] for name, rows in splits.items()}
    valid = labelled["valid"]
    known = ~np.isnan(next(iter(answers.values()))[:, 0])
    calibrated = np.full((len(truth), len(prepared.targets[target])), np.nan)

    def of(rows: NDArray[np.int64]) -> dict[str, Probabilities]:
        return {name: found[rows].astype(np.float64) for name, found in answers.items()}

    train, held_out = labelled["train"], labelled["calibration"]
    certified_on = held_out
    unseen = bool(known[train].all()) and len(train) > 0
    # The early stopping has looked at valid too: few rows of it make the final answers too sure.
    fitted_on = train if unseen and len(valid) < ensemble.least_valid else valid
    final = fit_combination(of(fitted_on), truth[fitted_on], ensemble.smallest_weight)
    if unseen:
        # Models fitted on fewer tickets are differently sure of themselves: own temperatures.
        own = fit_combination(of(train), truth[train], ensemble.smallest_weight, final.weights)
        calibrated[splits["train"]] = own.combine(of(splits["train"]))
        folds = group_folds(prepared, train)
        if ensemble.pool_C is not None:
            chosen = choose_members(of(train), truth[train], own, folds, ensemble.pool_C)
            if (pool := chosen.pool) is not None:
                calibrated[splits["train"]] = pool.combine(of(splits["train"]))
                calibrated[train] = chosen.probabilities
                if fitted_on is valid:
                    pool = pool.cooled(fit_temperature(pool.combine(of(valid)), truth[valid]))
                final = final.model_copy(update={"pool": pool})
        if ensemble.map_confidence:
            mapped = map_confidence(calibrated[train], truth[train], folds)
            if (found := mapped.map) is not None:
                calibrated[splits["train"]] = found.apply(calibrated[splits["train"]])
                calibrated[train] = mapped.probabilities
                # Without valid rows to set them, temperatures stay those of the rows of the map.
                final = (
                    final.mapped(found, of(valid), truth[valid])
                    if fitted_on is valid
                    else final.model_copy(update={"confidence": found})
                )
    others = known.copy()
    if unseen:
        others[splits["train"]] = False
    calibrated[others] = final.combine(of(np.flatnonzero(others)))
    ordinal = None
    if levels is not None:
        ordinal = adjust_levels(calibrated, levels, train if unseen else valid, truth, prepared)
    if routing.rows == "crossfit" and unseen:
        certified_on = np.concatenate([train, held_out])
        policy = fit_transferred(
            (calibrated[train], truth[train]),
            (calibrated[valid], truth[valid]),
            (calibrated[held_out], truth[held_out]),
            prepared.targets[target],
            routing,
            CROSS_FITTED,
            (CROSS_FITTED_NOTE,),
        )
    else:
        policy = fit_policy(
            (calibrated[held_out], truth[held_out]),
            (calibrated[valid], truth[valid]),
            prepared.targets[target],
            routing,
            HELD_OUT,
        )
    proven = train if policy.excess else held_out
    policy = with_languages(policy, calibrated[proven], truth[proven], prepared.languages(proven))
    review = certified_on[~policy.decide(calibrated[certified_on]).automatic]
    shortlist = fit_shortlist(calibrated[review], truth[review], routing.shortlist_coverage)
    fitted = TargetEnsemble(
        classes=prepared.targets[target],
        **dict(final),
        routing=policy,
        shortlist=shortlist,
        ordinal=ordinal,
    )
    return fitted, calibrated


def group_folds(prepared: Prepared, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Part of each row in 0..FOLDS - 1, the same for all tickets of a group."""
    groups = prepared.frame["group"].iloc[rows]
    return np.array([crc32(str(group).encode()) % FOLDS for group in groups], np.int64)


def choose_members(
    answers: Mapping[str, Probabilities],
    truth: NDArray[np.int64],
    mean: Combination,
    folds: NDArray[np.int64],
    C: float,  # noqa: N803
) -> ChosenPool:
    """A pool of the members that carry weight in the mean, where it beats the mean."""
    heard = {name: found for name, found in answers.items() if mean.weights[name] > 0}
    chosen = choose_pool(heard, truth, mean.combine(answers), folds, C)
    _tell("weights per class", chosen.gain, "pooled" if chosen.pool else "the mean stays")
    return chosen


def map_confidence(
    probabilities: Probabilities, truth: NDArray[np.int64], folds: NDArray[np.int64]
) -> ChosenMap:
    """What out-of-fold rows say of the confidence they were answered with."""
    chosen = choose_map(probabilities, truth, folds)
    _tell("a map of confidence", chosen.gain, "used" if chosen.map else "left out")
    return chosen


@dataclass(frozen=True)
class Levels:
    """Evidence of shape (n_rows, len(names)); NaN where another target's answer is unknown."""

    evidence: NDArray[np.float64]
    names: tuple[str, ...]
    C: float


def adjust_levels(
    calibrated: Probabilities,
    levels: Levels,
    rows: NDArray[np.int64],
    truth: NDArray[np.int64],
    prepared: Prepared,
) -> OrdinalAdjustment | None:
    """Adjust `calibrated` in place where that helps; None where it does not.

    The rows it is learned on, which no model has seen, get the answers of adjustments that have
    not seen them either.
    """
    chosen = choose_adjustment(
        calibrated[rows],
        levels.evidence[rows],
        levels.names,
        truth[rows],
        group_folds(prepared, rows),
        levels.C,
    )
    _tell("order and evidence", chosen.gain, "used" if chosen.adjustment else "left out")
    if chosen.adjustment is None:
        return None
    others = np.flatnonzero(~np.isnan(calibrated[:, 0]) & ~np.isnan(levels.evidence).any(axis=1))
    adjusted = chosen.adjustment.apply(calibrated[others], levels.evidence[others])
    calibrated[others] = adjusted
    calibrated[rows] = chosen.probabilities
    return chosen.adjustment


def with_languages(
    policy: RoutingPolicy,
    probabilities: Probabilities,
    truth: NDArray[np.int64],
    languages: Sequence[str | None],
) -> RoutingPolicy:
    """The policy with what it is worth in each language; the others no longer count as routed."""
    found = certify_languages(policy, probabilities, truth, languages)
    automatic = sum(language.automatic for language in found.values() if language.certified)
    share = automatic / len(truth) if len(truth) else 0.0
    return policy.model_copy(update={"languages": found, "certified_automation": share})


def _tell(what: str, gain: Gain, then: str) -> None:
    logger.info(
        "%s: %.4f (standard error %.4f) off the log loss, %s", what, gain.mean, gain.error, then
    )
