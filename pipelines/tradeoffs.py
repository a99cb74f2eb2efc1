"""Stage `tradeoffs`: what every choice of members is worth, and what it takes.

Weights, temperatures and certificate of each choice are fitted anew, as if the others were not
there. Test tickets are only measured on.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.prepared import Prepared, read_prepared
from evaluation.costs import one_thread
from evaluation.metrics import Outcomes
from evaluation.tradeoffs import FILE, Design, mark_best, subsets, write_designs
from models.assistant import load_member
from models.base import Member
from models.ensemble import EnsembleParams, read_ensemble
from models.routing import RoutingParams
from models.runtime import TORCH
from models.runtime_file import RuntimeFile, find_runtime_file
from models.runtime_parts import RuntimeParts
from pipelines import run
from pipelines.ensemble import read_answers
from pipelines.params import read_params
from pipelines.target_fit import fit_target
from pipelines.train import PREPARED, RECORDS, TRAINED

logger = logging.getLogger(__name__)

REPORTS = Path("evaluation/reports")
TICKETS = 40
"""Tickets that are timed, one at a time."""

Answers = Mapping[str, NDArray[np.float32]]


def measure_designs(
    prepared: Prepared,
    answers: Mapping[str, Answers],
    milliseconds: Mapping[str, Mapping[str, float]],
    shipped: Mapping[str, Sequence[str]],
    ensemble: EnsembleParams,
    routing: RoutingParams,
) -> list[Design]:
    """Every choice of members by torch, and that of the bundle by every runtime it ships.

    Ordered targets are left out: their answer rests on more than the members.

    Parameters
    ----------
    answers : member -> target -> probabilities of shape (n_rows, n_classes), NaN where unknown
    milliseconds : runtime -> member -> of one ticket
    shipped : target -> members that carry weight in the bundle
    """
    designs = []
    test = prepared.rows("test")
    for target in prepared.targets:
        truth = prepared.label_index(target)
        rows = test[truth[test] >= 0]
        if target in prepared.ordered or not len(rows):
            continue
        for members in subsets(list(answers)):
            chosen = {name: answers[name][target] for name in members}
            fitted, calibrated = fit_target(prepared, target, chosen, ensemble, routing)
            spoken = [fitted.routing.speaks(code) for code in prepared.languages(rows)]
            automatic = fitted.routing.decide(calibrated[rows]).automatic & np.array(spoken)
            outcomes = Outcomes(truth[rows], calibrated[rows], automatic)
            for runtime, taken in milliseconds.items():
                served = set(members) == set(shipped[target])
                if runtime != TORCH and not served:
                    continue
                designs.append(
                    Design(
                        target=target,
                        members=members,
                        runtime=runtime,
                        accuracy=float(outcomes.correct.mean()),
                        certified_automation=float(automatic.mean()),
                        automatic_accuracy=float(outcomes.correct[automatic].mean())
                        if automatic.any()
                        else None,
                        milliseconds=round(sum(taken[name] for name in members), 3),
                        shipped=served,
                    )
                )
    return mark_best(designs)


def time_members(
    names: Sequence[str], shipped: Sequence[str], texts: Sequence[str], trained: Path
) -> dict[str, dict[str, float]]:
    """Runtime -> member -> milliseconds of one text alone on one thread, the median."""
    told = find_runtime_file(trained)
    taken: dict[str, dict[str, float]] = {}
    with one_thread():
        for runtime, served, wanted in _runtimes(told, names, shipped, trained):
            taken[runtime] = {
                name: _milliseconds(load_member(name, trained, served), texts) for name in wanted
            }
            logger.info("%s: %s ms", runtime, taken[runtime])
    return taken


def _runtimes(
    told: RuntimeFile | None, names: Sequence[str], shipped: Sequence[str], trained: Path
) -> Iterator[tuple[str, RuntimeParts | None, Sequence[str]]]:
    """Each runtime, what opens its networks, and the members it can open."""
    yield TORCH, None, names
    if told is not None:
        for runtime in told.shipped:
            yield runtime.name, RuntimeParts(trained, told, runtime), shipped


def _milliseconds(member: Member, texts: Sequence[str]) -> float:
    ask: Callable[[Sequence[str]], object] = member.predict_proba
    ask(texts[:1])  # what is loaded on first use is not timed
    taken = []
    for text in texts:
        began = time.perf_counter()
        ask([text])
        taken.append(1000 * (time.perf_counter() - began))
    return round(float(np.median(taken)), 3)


def main() -> None:
    params = read_params()
    with run.stage(
        "tradeoffs",
        record=RECORDS / "tradeoffs.json",
        params=params.ensemble.model_dump(mode="json"),
        seed=params.seed,
    ) as tracked:
        prepared = read_prepared(PREPARED)
        names = list(params.ensemble.members)
        fitted = read_ensemble(TRAINED / "ensemble")
        shipped = {
            target: [name for name, weight in found.weights.items() if weight > 0]
            for target, found in fitted.targets.items()
        }
        rows, texts = prepared.rows("test"), prepared.texts()
        timed = [texts[row] for row in rows[:: max(1, len(rows) // TICKETS)][:TICKETS]]
        designs = measure_designs(
            prepared,
            {name: read_answers(TRAINED / name, prepared) for name in names},
            time_members(names, fitted.members, timed, TRAINED) if timed else {},
            shipped,
            params.ensemble,
            params.routing,
        )
        write_designs(designs, REPORTS / FILE)
        tracked.log_metrics({"designs": float(len(designs))})


if __name__ == "__main__":
    main()
