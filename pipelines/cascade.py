"""Stage `cascade`: which tickets the linear member decides alone, and the certificate of that."""

import logging
import shutil
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from data.prepared import Prepared, read_prepared
from models.assistant import MEMORY
from models.calibration import apply_temperature, fit_temperature
from models.cascade import FIRST, FOLDER, Cascade, CascadeParams
from models.cascade_fitting import TargetAnswers, Tickets, fit_cascade
from models.ensemble import Ensemble, TargetEnsemble, read_ensemble
from pipelines import run
from pipelines.ensemble import read_answers
from pipelines.memory import read_novel
from pipelines.params import read_params
from pipelines.train import PREPARED, RECORDS, TRAINED

logger = logging.getLogger(__name__)

Answers = Mapping[str, NDArray[np.float32]]
"""Target -> probabilities of shape (n_rows, n_classes), NaN rows where unknown."""


def fit(
    prepared: Prepared,
    ensemble: Ensemble,
    first: Answers,
    second: Answers,
    novel: NDArray[np.bool_],
    params: CascadeParams,
) -> Cascade | None:
    """The cascade of a trained ensemble; None where no ticket may stop early.

    Parameters
    ----------
    first, second : probabilities of the linear member and the calibrated ones of the ensemble
    novel : whether nothing like it was learned from, shape (n_rows,)
    """
    train = prepared.rows("train")
    unseen = not any(np.isnan(found[train]).any() for found in (*first.values(), *second.values()))
    tickets = Tickets(
        out_of_fold=train if unseen else train[:0],
        valid=prepared.rows("valid"),
        calibration=prepared.rows("calibration"),
        languages=prepared.languages(np.arange(len(prepared))),
        novel=novel,
    )
    targets = {
        name: answers_of(prepared, name, target, first[name], second[name], tickets.out_of_fold)
        for name, target in ensemble.targets.items()
    }
    return fit_cascade(targets, tickets, params)


def answers_of(
    prepared: Prepared,
    name: str,
    target: TargetEnsemble,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    out_of_fold: NDArray[np.int64],
) -> TargetAnswers:
    """What both tiers answer for one target, calibrated.

    Models of the folds are differently sure of themselves: they get a temperature of their own.
    """
    truth = prepared.label_index(name)
    told, temperature = first.astype(np.float64), target.temperatures[FIRST]
    calibrated = apply_temperature(told, temperature)
    known = out_of_fold[truth[out_of_fold] >= 0]
    own = fit_temperature(told[known], truth[known])
    calibrated[out_of_fold] = apply_temperature(told[out_of_fold], own)
    return TargetAnswers(
        classes=target.classes,
        temperature=temperature,
        first=calibrated,
        second=second.astype(np.float64),
        truth=truth,
        policy=target.routing,
    )


def main() -> None:
    params = read_params()
    folder = TRAINED / FOLDER
    section = params.cascade.model_dump(mode="json")
    with run.stage("cascade", record=RECORDS / "cascade.json", params=section) as tracked:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        ensemble = read_ensemble(TRAINED / "ensemble")
        alone = FIRST not in ensemble.members or len(ensemble.members) == 1
        if not params.cascade.enabled or alone:
            logger.info("no cascade: switched off, or %s is not one of several members", FIRST)
            return
        prepared = read_prepared(PREPARED)
        novel = read_novel(TRAINED / MEMORY, prepared)
        cascade = fit(
            prepared,
            ensemble,
            read_answers(TRAINED / FIRST, prepared),
            read_answers(TRAINED / "ensemble", prepared),
            np.zeros(len(prepared), dtype=bool) if novel is None else novel,
            params.cascade,
        )
        if cascade is None:
            logger.warning("no cascade: the tickets at hand do not show that any may stop early")
            return
        cascade.write(folder)
        found = cascade.agreement
        tracked.log_metrics(
            {"stopped": found.stopped / found.tickets, "agreement": found.lower_bound}
        )
        logger.info(
            "%d of %d held-out tickets stop at the first tier; %d are decided otherwise, "
            "at least %.4f the same",
            found.stopped, found.tickets, found.different, found.lower_bound,
        )  # fmt: skip


if __name__ == "__main__":
    main()
