"""Stage `prepare`: raw rows become clean, masked, grouped and split tickets in data/prepared."""

import logging
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.catalog import CATALOG, Dataset, read_catalog
from data.checks import as_records, check_tickets, render_checks
from data.duplicates import copy_keys
from data.errors import CatalogError, DataError
from data.feedback_files import FeedbackFiles
from data.fetching import read_source
from data.golden import GoldenTicket, read_golden
from data.prepared import CHECKS, REJECTED, Prepared, write_prepared, write_rejected
from data.published import published_parts
from data.records import duplicate_ids, read_records
from data.split import (
    SPLITS,
    UNUSED,
    assign_folds,
    assign_splits,
    limit_train,
    require_no_leakage,
)
from data.tables import read_rows
from evaluation.files import write_json
from evaluation.trust_params import FeedbackParams
from pipelines import run
from pipelines.clean_tickets import clean_tickets, group_tickets
from pipelines.feedback_tickets import (
    Learned,
    Stand,
    find_golden_groups,
    learn,
    write_set_aside,
)
from pipelines.fetch import DATASET
from pipelines.params import PARAMS, PrepareParams, read_params
from pipelines.prepared_table import count_classes, join_feedback, make_table
from pipelines.rejected_rows import mask_rejected, name_reasons, require_few_rejected

logger = logging.getLogger(__name__)

PREPARED = Path("data/prepared")
RECORD = Path("evaluation/reports/stages/prepare.json")
FEEDBACK_REPORT = Path("evaluation/reports/feedback.json")
SET_ASIDE = Path("evaluation/reports/feedback_set_aside.csv")
"""Outside of data/prepared: what is not learned from must not make anything learn anew."""


@dataclass(frozen=True)
class Outcome:
    """What `prepare` made: the prepared data, rejected rows as written, and the report."""

    prepared: Prepared
    rejected: list[dict[str, object]]
    report: str
    learned: Learned = field(default_factory=Learned)


@dataclass(frozen=True)
class Said:
    """What people settled or said of tickets, apart from the data set."""

    files: FeedbackFiles
    golden: Sequence[GoldenTicket] = ()
    trust: FeedbackParams = field(default_factory=FeedbackParams)


def prepare(
    dataset: Dataset,
    folder: Path,
    params: PrepareParams,
    seed: int,
    source: Mapping[str, Any],
    said: Said | None = None,
) -> Outcome:
    """Prepared tickets from a fetched data set.

    Parameters
    ----------
    folder : the fetched data set
    source : content of its source.json
    said : feedback joins train; tickets like golden ones are learned from by no stage

    Raises
    ------
    CatalogError
        If params or the entry ask for targets, columns or a split that do not exist.
    DataError
        If no row could be accepted or a published split has not the rows it should have.
    """
    dataset.require_table()
    fallback = bool(source["fallback"])
    targets = _targets(dataset, params, fallback)
    published = _published(dataset, params, fallback)
    rows = [row for name in dataset.tables for row in read_rows(folder / name, dataset)]
    parts = published_parts(rows, dataset, published, folder) if published else [None] * len(rows)
    raw, rejected = read_records(rows, dataset, targets, params.max_characters)
    clean, masked = clean_tickets(raw, rejected, params)
    if not clean:
        raise DataError(
            f"{dataset.name}: none of {len(rows):,} rows is a ticket: {name_reasons(rejected)}"
        )
    clean.sort(key=lambda ticket: ticket.raw.id)

    groups, pairs = group_tickets(clean, params, seed)
    part_of = dict(zip(((row.file, row.number) for row in rows), parts, strict=True))
    parted = [
        (t.raw.split or part_of[t.raw.row.file, t.raw.row.number]) if published else None
        for t in clean
    ]
    strata = [t.raw.labels[targets[0]] for t in clean]
    times = [t.raw.created_at for t in clean] if dataset.split_by == "time" else None
    splits = assign_splits(groups, strata, params.split.model_dump(), seed, parted, times)
    moved = sum(part not in (None, split) for part, split in zip(parted, splits, strict=True))
    stand = Stand([t.text for t in clean], groups, splits, ())
    golden = find_golden_groups(said.golden, stand, params.near_duplicates) if said else set()
    splits = [
        UNUSED if group in golden and split != "test" else split
        for group, split in zip(groups, splits, strict=True)
    ]
    like_golden = splits.count(UNUSED)
    if params.max_train is not None:
        splits = limit_train(groups, strata, splits, params.max_train, seed)
    require_no_leakage(groups, splits, published_test="test" in parted)
    folds = assign_folds(groups, strata, splits, params.folds, seed)
    frame = make_table(clean, targets, groups, splits, folds)
    learned = Learned()
    if said:
        stand = replace(stand, splits=splits, folds=folds.tolist())
        known = {t: {*frame[t].dropna(), *dataset.labels.get(t, ())} for t in targets}
        learned = learn(said.files, said.golden, stand, known, params, said.trust, seed)
        frame = join_feedback(frame, learned, targets)
        splits = frame["split"].tolist()
    classes = {
        target: _in_order(set(frame[target].dropna()), target, dataset) for target in targets
    }

    copies = copy_keys(frame["text"].tolist())
    reasons = dict(sorted(Counter(str(r.reason) for r in rejected).items()))
    checks = check_tickets(
        frame, classes, copies, params.min_class, reasons, duplicate_ids(raw, dataset)
    )
    sizes = Counter(groups)
    summary = {
        "dataset": dataset.name,
        "fallback": fallback,
        "rows": {"read": len(rows), "accepted": len(clean), "rejected": len(rejected)},
        "rejected": reasons,
        "splits": {name: splits.count(name) for name in SPLITS},
        "published_split": published,
        "published_moved": moved,
        "unused": splits.count(UNUSED),
        "like_golden": like_golden,
        "feedback": {
            "tickets": len(learned.tickets),
            "labels": sum(len(ticket.labels) for ticket in learned.tickets),
        },
        "near_train": int(frame["near_train"].sum()),
        "groups": {
            "count": len(sizes),
            "largest": max(sizes.values()),
            "tickets_in_groups": sum(size for size in sizes.values() if size > 1),
            "copies": len(copies) - len(set(copies)),
            "near_duplicate_pairs": pairs,
        },
        "masked": masked,
        "languages": dict(Counter(t.language or "unknown" for t in clean).most_common()),
        "checks": as_records(checks),
        "classes": count_classes(frame, classes),
        "language": _language_source(dataset),
        "ordered": [target for target in targets if target in dataset.ordered],
        "licence": dataset.licence,
        "citation": dataset.citation,
    }
    report = render_checks(checks, summary)
    return Outcome(Prepared(frame, classes, summary), mask_rejected(rejected), report, learned)


def _targets(dataset: Dataset, params: PrepareParams, fallback: bool) -> list[str]:
    unknown = [target for target in params.targets if target not in dataset.targets]
    if unknown and not fallback:
        raise CatalogError(
            f"prepare.targets: {dataset.name} has no target {unknown[0]!r}; "
            f"known: {', '.join(dataset.targets)}"
        )
    return [t for t in params.targets if t in dataset.targets] or list(dataset.targets)


def _language_source(dataset: Dataset) -> str:
    """Whether languages were told by the entry for all, by a column, or detected."""
    if dataset.language is None:
        return "detected"
    return "entry" if isinstance(dataset.language, str) else "column"


def _in_order(labels: set[str], target: str, dataset: Dataset) -> tuple[str, ...]:
    """Labels that occur, from low to high where they stand in order, else alphabetically."""
    if target not in dataset.ordered:
        return tuple(sorted(labels))
    return tuple(label for label in dataset.labels[target] if label in labels)


def _published(dataset: Dataset, params: PrepareParams, fallback: bool) -> str | None:
    if fallback and params.published_split not in ("default", "none", *dataset.splits):
        logger.warning("the sample has no published split %s", params.published_split)
        return None
    return dataset.find_split(params.published_split)


def require_no_errors(checks: Sequence[Mapping[str, Any]], where: Path) -> None:
    """Raise DataError if a check is of level error."""
    errors = [str(check["message"]) for check in checks if check["level"] == "error"]
    if errors:
        raise DataError(f"{'; '.join(errors)}. See {where}")


def main() -> None:
    params = read_params(PARAMS)
    section = params.prepare
    with run.stage(
        "prepare", record=RECORD, params=section.model_dump(mode="json"), seed=params.seed
    ) as tracked:
        source = read_source(DATASET)
        dataset = read_catalog(CATALOG)[source["dataset"]]
        said = Said(FeedbackFiles(), read_golden(), params.feedback)
        outcome = prepare(dataset, DATASET, section, params.seed, source, said)
        # A table of an earlier run must not outlive a run that stops.
        shutil.rmtree(PREPARED, ignore_errors=True)
        # The rejected rows are written first: they are the remedy of the error that follows.
        write_rejected(PREPARED, outcome.rejected)
        summary = outcome.prepared.summary
        require_few_rejected(summary, section.max_rejected, PREPARED / REJECTED)
        write_prepared(PREPARED, outcome.prepared, outcome.report)
        write_json(FEEDBACK_REPORT, outcome.learned.facts)
        write_set_aside(SET_ASIDE, outcome.learned.set_aside)
        require_no_errors(summary["checks"], PREPARED / CHECKS)
        tracked.log_metrics({f"rows.{name}": n for name, n in summary["rows"].items()})
        tracked.log_metrics({f"splits.{name}": n for name, n in summary["splits"].items()})
        logger.info("prepared %s: %s", dataset.name, summary["splits"])


if __name__ == "__main__":
    main()
