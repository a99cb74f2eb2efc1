"""Stage `ensemble`: weights, temperatures, routing certificate and shortlist of every target."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.prepared import Prepared, read_prepared
from models.base import Probabilities
from models.calibration import fit_temperature
from models.confidence_map import ChosenMap, choose_map
from models.ensemble import (
    Combination,
    Ensemble,
    EnsembleParams,
    TargetEnsemble,
    fit_combination,
)
from models.evidence import read_lexicon
from models.language_slices import certify_languages
from models.ordinal import OrdinalAdjustment, OrdinalParams, choose_adjustment
from models.pooling import ChosenPool, choose_pool
from models.routing import RoutingParams, RoutingPolicy, fit_policy
from models.severity import LevelEvidence
from models.shortlist import fit_shortlist
from models.transfer import fit_transferred
from pipelines import run
from pipelines.params import read_params
from pipelines.train import PREPARED, RECORDS, TRAINED

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
        if ensemble.pool_C is not None:
            folds = group_folds(prepared, train)
            chosen = choose_members(of(train), truth[train], own, folds, ensemble.pool_C)
            if (pool := chosen.pool) is not None:
                calibrated[splits["train"]] = pool.combine(of(splits["train"]))
                calibrated[train] = chosen.probabilities
                if fitted_on is valid:
                    pool = pool.cooled(fit_temperature(pool.combine(of(valid)), truth[valid]))
                final = final.model_copy(update={"pool": pool})
        if ensemble.map_confidence:
            mapped = map_confidence(calibrated[train], truth[train], group_folds(prepared, train))
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
    logger.info(
        "weights per class take %.4f (standard error %.4f) off the log loss: %s",
        chosen.gain,
        chosen.error,
        "pooled" if chosen.pool else "the mean stays",
    )
    return chosen


def map_confidence(
    probabilities: Probabilities, truth: NDArray[np.int64], folds: NDArray[np.int64]
) -> ChosenMap:
    """What out-of-fold rows say of the confidence they were answered with."""
    chosen = choose_map(probabilities, truth, folds)
    logger.info(
        "a map of confidence takes %.4f (standard error %.4f) off the log loss: %s",
        chosen.gain,
        chosen.error,
        "used" if chosen.map else "left out",
    )
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
    logger.info(
        "order and evidence take %.4f (standard error %.4f) off the log loss: %s",
        chosen.gain,
        chosen.error,
        "used" if chosen.adjustment else "left out",
    )
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


def read_answers(folder: Path, prepared: Prepared) -> dict[str, NDArray[np.float32]]:
    """Target -> probabilities a member's train stage wrote; raises DataError if they do not fit."""
    with np.load(folder / "probabilities.npz", allow_pickle=False) as stored:
        answers = {target: stored[target] for target in prepared.targets if target in stored}
    for target, names in prepared.targets.items():
        expected = (len(prepared.frame), len(names))
        found = answers[target].shape if target in answers else None
        if found != expected:
            raise DataError(
                f"{folder}/probabilities.npz: {target} has shape {found}, expected {expected}; "
                "train the member again"
            )
    return answers


def believed_targets(prepared: Prepared, params: OrdinalParams) -> tuple[str, ...]:
    """Unordered targets of the data set whose probabilities count as evidence of level."""
    return tuple(t for t in params.targets if t in prepared.targets and t not in prepared.ordered)


def read_levels(prepared: Prepared, probabilities: Answers, params: OrdinalParams) -> Levels:
    """The evidence in every ticket."""
    others = believed_targets(prepared, params)
    evidence = LevelEvidence(read_lexicon(), {t: prepared.targets[t] for t in others})
    believed = {t: probabilities[t].astype(np.float64) for t in others}
    features = evidence.features(prepared.texts(), believed)
    return Levels(features, evidence.names, params.C)


def main() -> None:
    params = read_params()
    folder = TRAINED / "ensemble"
    section = {
        **params.ensemble.model_dump(mode="json"),
        **params.routing.model_dump(mode="json"),
    }
    with run.stage("ensemble", record=RECORDS / "ensemble.json", params=section) as tracked:
        prepared = read_prepared(PREPARED)
        members = {m: read_answers(TRAINED / m, prepared) for m in params.ensemble.members}
        fitted: dict[str, TargetEnsemble] = {}
        probabilities: dict[str, NDArray[np.float32]] = {}
        levels: Levels | None = None
        # Ordered targets come last: what is believed of the others is evidence.
        for target in sorted(prepared.targets, key=lambda name: name in prepared.ordered):
            answers = {m: by_target[target] for m, by_target in members.items()}
            if target in prepared.ordered and levels is None:
                levels = read_levels(prepared, probabilities, params.ordinal)
            fitted[target], calibrated = fit_target(
                prepared,
                target,
                answers,
                params.ensemble,
                params.routing,
                levels if target in prepared.ordered else None,
            )
            probabilities[target] = calibrated.astype(np.float32)
            policy = fitted[target].routing
            logger.info(
                "%s: mean of %s, temperatures %s, of the mean %.3f, %.3f of %d rows certified",
                target,
                fitted[target].weights,
                {name: round(t, 3) for name, t in fitted[target].temperatures.items()},
                fitted[target].temperature,
                policy.certified_automation,
                policy.rows,
            )
            tracked.log_metrics(
                {
                    f"{target}.temperature": fitted[target].temperature,
                    f"{target}.certified_automation": policy.certified_automation,
                    **{f"{target}.weight.{m}": w for m, w in fitted[target].weights.items()},
                }
            )
        heard = any(target.ordinal for target in fitted.values())
        Ensemble(
            targets={target: fitted[target] for target in prepared.targets},
            lexicon=read_lexicon() if heard else {},
            believed=believed_targets(prepared, params.ordinal) if heard else (),
        ).write(folder)
        np.savez(folder / "probabilities.npz", **probabilities)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
