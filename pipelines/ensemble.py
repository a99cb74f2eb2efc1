"""Stage `ensemble`: weights, temperatures, routing certificate and shortlist of every target."""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.prepared import Prepared, read_prepared
from models.ensemble import Ensemble, TargetEnsemble
from models.evidence import read_lexicon
from models.ordinal import OrdinalParams
from models.severity import LevelEvidence
from pipelines import run
from pipelines.params import read_params
from pipelines.target_fit import Answers, Levels, fit_target
from pipelines.train import PREPARED, RECORDS, TRAINED

logger = logging.getLogger(__name__)


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
