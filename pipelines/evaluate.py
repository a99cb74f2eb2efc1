"""Stage `evaluate`: one look at the test split, told to people and to programs."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.prepared import Prepared, read_prepared
from evaluation import behavior, label_errors
from evaluation.assessment import EvaluateParams, System, TargetAssessment, TestTickets
from evaluation.assessment import assess_target as assess
from evaluation.card import render_card
from evaluation.cascade import TwoTiers, answer_tiers
from evaluation.cascade_costs import Decider, measure_tiers
from evaluation.costs import Predictor, describe_machine, measure_latency, read_costs
from evaluation.files import Evaluation, metrics_of, plot_tables, write_json
from evaluation.league.published import make_tables, read_league
from evaluation.report import LABEL_ERRORS, draw_figures, render_report
from evaluation.suites import read_suites
from evaluation.tradeoffs import FILE as DESIGNS
from evaluation.tradeoffs import Design, read_designs
from models.assistant import MEMORY, Facts, TicketAssistant
from models.cascade import FIRST, Cascade
from models.ensemble import Ensemble, EnsembleParams, read_ensemble
from models.routing import RoutingParams
from models.runtime_file import find_runtime_file
from models.sealing import content_version
from pipelines import run
from pipelines.ensemble import read_answers
from pipelines.params import read_params
from pipelines.target_fit import fit_target
from pipelines.tested_tickets import (
    Answers,
    answers_on_test,
    labelled_targets,
    novel_tickets,
    read_test_tickets,
    served_languages,
    speaks,
)
from pipelines.train import PREPARED, RECORDS, TRAINED

logger = logging.getLogger(__name__)

REPORTS = Path("evaluation/reports")


class Assistant(Predictor, Decider, behavior.Assistant, Protocol):
    """What is asked about single tickets; a TicketAssistant is one."""


def evaluate(
    prepared: Prepared,
    members: Mapping[str, Answers],
    ensemble: Ensemble,
    answers: Answers,
    assistant: Assistant | None,
    *,
    routing: RoutingParams,
    params: EvaluateParams,
    seed: int,
    novel: NDArray[np.bool_] | None = None,
    spoken: Sequence[str | None] | None = None,
    bundle: str | None = None,
    costs: Mapping[str, Mapping[str, float]] | None = None,
    told: Mapping[str, Any] | None = None,
    readers: Mapping[str, Any] | None = None,
    runtimes: Mapping[str, Any] | None = None,
    toned: Collection[str] = (),
    cascade: Cascade | None = None,
    designs: Sequence[Design] = (),
) -> Evaluation:
    """Everything the report tells, from the answers that the stages before left.

    Parameters
    ----------
    members, answers : the members' probabilities and the ensemble's calibrated ones
    assistant : asked for the behavioural suites and the latency; None leaves both out
    routing : how each member alone is certified, as the ensemble was
    novel, spoken : of each test ticket, whether it is novel and in which language it was served;
        None: none is, and that of the prepared table
    told : params of the whole run, shown in the report
    readers : what is read beside the targets, see `models.readers.ReaderFacts`
    runtimes : what was tried in torch's place, see `models.runtime_file`
    toned : targets that the tone of a ticket may change
    cascade : measured against the whole ensemble, where there is one
    designs : what other choices of members are worth, see the stage `tradeoffs`

    Raises
    ------
    DataError
        If no target has a labelled test ticket; a single one without any is left out.
    """
    texts, summary = prepared.texts(), prepared.summary
    tickets = read_test_tickets(prepared, texts)
    languages = tickets.languages if spoken is None else spoken
    unlike = np.zeros(len(tickets), dtype=bool) if novel is None else novel
    tiers: dict[str, TwoTiers] = {}
    if cascade is not None:
        first, second = (
            answers_on_test(prepared, members[FIRST]),
            answers_on_test(prepared, answers),
        )
        tiers = answer_tiers(cascade, first, second, languages, unlike)
    targets = {
        target: assess_target(
            prepared,
            tickets,
            target,
            members,
            ensemble,
            answers[target],
            unlike | ~speaks(ensemble.targets[target].routing, languages),
            routing,
            params,
            seed,
            tiers.get(target),
        )
        for target in labelled_targets(prepared)
    }
    suspects = find_suspects(prepared, answers)
    shown = suspects.groupby("target").head(LABEL_ERRORS)["id"]
    by_id = dict(zip(prepared.frame["id"], texts, strict=True))
    labels = {target: prepared.labels(target) for target in prepared.targets}
    test = prepared.rows("test")
    return Evaluation(
        summary=summary,
        bundle=bundle,
        targets=targets,
        costs=costs if costs is not None else {"seconds": {}, "peak_mib": {}},
        latency={} if assistant is None else measure_latency(assistant, tickets.texts),
        tiers={} if assistant is None else measure_tiers(assistant, tickets.texts),
        designs=tuple(designs),
        behavior=None
        if assistant is None
        else behavior.run_behavior(
            assistant,
            read_suites().model_copy(update={"tickets": params.behavior_tickets}),
            summary["dataset"],
            tickets.ids,
            tickets.texts,
            {target: [column[row] for row in test] for target, column in labels.items()},
            seed,
            toned,
        ),
        league=tuple(
            make_tables(
                read_league(),
                summary["dataset"],
                summary["published_split"],
                len(tickets),
                {target: dict(found.figures) for target, found in targets.items()},
            )
        ),
        label_errors=suspects,
        excerpts={name: by_id[name] for name in shown},
        params=told or {},
        readers=readers or {},
        runtimes=runtimes or {},
        machine=describe_machine(),
    )


def assess_target(
    prepared: Prepared,
    tickets: TestTickets,
    target: str,
    members: Mapping[str, Answers],
    ensemble: Ensemble,
    answers: NDArray[np.float32],
    withheld: NDArray[np.bool_],
    routing: RoutingParams,
    params: EvaluateParams,
    seed: int,
    cascade: TwoTiers | None = None,
) -> TargetAssessment:
    """One target: the ensemble as it serves, and each member as if it served alone.

    A member alone gets its own temperature and certificate by the very procedure of the ensemble,
    none of which sees the test split.
    """
    test, fitted = prepared.rows("test"), ensemble.targets[target]
    alone = {}
    for name, by_target in members.items():
        own, calibrated = fit_target(
            prepared, target, {name: by_target[target]}, EnsembleParams(members=(name,)), routing
        )
        alone[name] = System(calibrated[test], own.routing)
    return assess(
        target,
        prepared.targets[target],
        prepared.label_index(target)[test],
        tickets,
        System(answers[test].astype(np.float64), fitted.routing, withheld),
        alone,
        fitted.routing.model_dump(mode="json"),
        fitted.shortlist,
        params.bootstrap,
        seed,
        ordered=target in prepared.ordered,
        cascade=cascade,
    )


def find_suspects(prepared: Prepared, answers: Answers) -> pd.DataFrame:
    """Suspected label errors of all targets; the test split is left out, it is looked at once."""
    rows = prepared.rows("train", "valid", "calibration")
    frame = prepared.frame.iloc[rows]
    found = [
        label_errors.find_label_errors(
            frame["id"].tolist(),
            frame["split"].tolist(),
            target,
            prepared.label_index(target)[rows],
            answers[target][rows],
            prepared.targets[target],
        )
        for target in prepared.targets
    ]
    kept = [table for table in found if len(table)] or found[:1]
    return pd.concat(kept, ignore_index=True)


def write_reports(evaluation: Evaluation, folder: Path) -> None:
    """Write metrics.json, report.html, model_card.md, behavior.json, plots and label errors."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    write_json(folder / "metrics.json", metrics_of(evaluation))
    (folder / "report.html").write_text(render_report(evaluation), encoding="utf-8")
    (folder / "model_card.md").write_text(render_card(evaluation), encoding="utf-8")
    for name, table in plot_tables(evaluation).items():
        table.to_csv(folder / "plots" / name, index=False)
    evaluation.label_errors.to_csv(folder / "label_errors.csv", index=False)
    if evaluation.behavior is not None:
        evaluation.behavior.write(folder / "behavior.json")


def main() -> None:
    params = read_params()
    began = time.perf_counter()
    section = params.evaluate.model_dump(mode="json")
    with run.stage(
        "evaluate", record=RECORDS / "evaluate.json", params=section, seed=params.seed
    ) as tracked:
        prepared = read_prepared(PREPARED)
        language = params.prepare.language
        facts = Facts(
            fallback=bool(prepared.summary["fallback"]),
            languages=language.targets,
            language_detector=language.detector,
        )
        costs = read_costs(RECORDS, params.ensemble.members)
        members = {name: read_answers(TRAINED / name, prepared) for name in params.ensemble.members}
        assistant = TicketAssistant.load_parts(TRAINED, facts)
        exported = find_runtime_file(TRAINED)
        evaluation = evaluate(
            prepared,
            members,
            read_ensemble(TRAINED / "ensemble"),
            read_answers(TRAINED / "ensemble", prepared),
            assistant,
            routing=params.routing,
            params=params.evaluate,
            seed=params.seed,
            novel=novel_tickets(prepared, TRAINED / MEMORY),
            spoken=served_languages(prepared, language),
            bundle=content_version(TRAINED, prepared.summary["dataset"]),
            costs=costs,
            told=params.model_dump(mode="json"),
            readers={
                name: found.model_dump(mode="json")
                for name, found in assistant.readers.facts.items()
            },
            runtimes={} if exported is None else exported.facts,
            toned={*prepared.ordered, *params.ordinal.targets},
            cascade=assistant.cascade,
            designs=read_designs(REPORTS / DESIGNS),
        )
        # The report is part of what it tells the time of; the rest of it takes a second or two.
        costs["seconds"]["evaluate"] = round(time.perf_counter() - began, 1)
        costs["peak_mib"]["evaluate"] = round(run.peak_mib(), 1)
        write_reports(evaluation, REPORTS)
        for target, found in evaluation.targets.items():
            tracked.log_metrics(
                {
                    f"{target}.{name}": value
                    for name, value in found.figures.items()
                    if isinstance(value, float)
                }
            )
            for name, figure in draw_figures(found).items():
                tracked.log_figure(figure, f"{target}-{name}.png")
        logger.info("report: %s", REPORTS / "report.html")


if __name__ == "__main__":
    main()
