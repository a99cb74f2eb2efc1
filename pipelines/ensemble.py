"""Stage `ensemble`: weights, temperatures, routing certificate and shortlist of every target."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.prepared import Prepared, read_prepared
from models.base import Probabilities
from models.ensemble import Ensemble, EnsembleParams, TargetEnsemble, fit_combination
from models.routing import RoutingParams, fit_policy
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

Answers = Mapping[str, NDArray[np.float32]]


def fit_target(
    prepared: Prepared,
    target: str,
    answers: Answers,
    ensemble: EnsembleParams,
    routing: RoutingParams,
) -> tuple[TargetEnsemble, Probabilities]:
    """Everything fitted for one target, and its calibrated probabilities of all rows.

    Parameters
    ----------
    answers : member -> probabilities of shape (n_rows, n_classes), NaN rows where unknown
    """
    truth = prepared.label_index(target)
    splits = {name: prepared.rows(name) for name in ("train", "valid", "calibration")}
    labelled = {name: rows[truth[rows] >= 0] for name, rows in splits.items()}
    valid = labelled["valid"]
    known = ~np.isnan(next(iter(answers.values()))[:, 0])
    calibrated = np.full((len(truth), len(prepared.targets[target])), np.nan)

    def of(rows: NDArray[np.int64]) -> dict[str, Probabilities]:
        return {name: found[rows].astype(np.float64) for name, found in answers.items()}

    final = fit_combination(of(valid), truth[valid], ensemble.smallest_weight)
    answered = np.flatnonzero(known)
    calibrated[answered] = final.combine(of(answered))

    held_out = labelled["calibration"]
    certified_on = held_out
    if routing.rows == "crossfit" and bool(known[labelled["train"]].all()):
        # Models fitted on fewer tickets are differently sure of themselves: own temperatures.
        train = labelled["train"]
        own = fit_combination(of(train), truth[train], ensemble.smallest_weight, final.weights)
        calibrated[splits["train"]] = own.combine(of(splits["train"]))
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
    review = certified_on[~policy.decide(calibrated[certified_on]).automatic]
    shortlist = fit_shortlist(calibrated[review], truth[review], routing.shortlist_coverage)
    fitted = TargetEnsemble(
        classes=prepared.targets[target],
        **dict(final),
        routing=policy,
        shortlist=shortlist,
    )
    return fitted, calibrated


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
        fitted, probabilities = {}, {}
        for target in prepared.targets:
            answers = {m: by_target[target] for m, by_target in members.items()}
            fitted[target], calibrated = fit_target(
                prepared, target, answers, params.ensemble, params.routing
            )
            probabilities[target] = calibrated.astype(np.float32)
            policy = fitted[target].routing
            logger.info(
                "%s: weights %s, temperatures %s, of the mean %.3f, %.3f of %d rows certified",
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
        Ensemble(targets=fitted).write(folder)
        np.savez(folder / "probabilities.npz", **probabilities)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
