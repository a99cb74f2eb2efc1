"""Stage `prepare`: raw rows become clean, masked, grouped and split tickets in data/prepared."""

import logging
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from data.catalog import CATALOG, PREPARED_COLUMNS, Dataset, read_catalog
from data.checks import as_records, check_tickets, render_checks
from data.duplicates import Groups, copy_keys, join_near_duplicates
from data.errors import CatalogError, DataError, RejectedRowsError
from data.feedback_files import FeedbackFiles
from data.fetching import read_source
from data.golden import GoldenTicket, read_golden
from data.language import LanguageDetector
from data.prepared import CHECKS, REJECTED, Prepared, write_prepared, write_rejected
from data.privacy import mask
from data.published import published_parts
from data.records import RawTicket, Rejected, duplicate_ids, read_records
from data.split import (
    SPLITS,
    UNUSED,
    assign_folds,
    assign_splits,
    find_near_train,
    limit_train,
    require_no_leakage,
)
from data.tables import read_rows
from data.text import model_text, prepare_text
from evaluation.files import write_json
from evaluation.trust_params import FeedbackParams
from pipelines import run
from pipelines.feedback_tickets import (
    Learned,
    Stand,
    find_golden_groups,
    learn,
    write_set_aside,
)
from pipelines.fetch import DATASET
from pipelines.params import PARAMS, PrepareParams, read_params

logger = logging.getLogger(__name__)

PREPARED = Path("data/prepared")
RECORD = Path("evaluation/reports/stages/prepare.json")
FEEDBACK_REPORT = Path("evaluation/reports/feedback.json")
SET_ASIDE = Path("evaluation/reports/feedback_set_aside.csv")
"""Outside of data/prepared: what is not learned from must not make anything learn anew."""

REJECTED_CHARACTERS = 200
"""Of a rejected text so much is shown, masked: enough to find it in the source."""


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


@dataclass(frozen=True, slots=True)
class _Clean:
    raw: RawTicket
    text: str
    language: str | None


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
    clean, masked = _clean(raw, rejected, params)
    if not clean:
        raise DataError(
            f"{dataset.name}: none of {len(rows):,} rows is a ticket: {_reasons(rejected)}"
        )
    clean.sort(key=lambda ticket: ticket.raw.id)

    groups, pairs = _groups(clean, params, seed)
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
    columns: dict[str, Any] = {
        "id": [t.raw.id for t in clean],
        "text": [t.text for t in clean],
        "language": [t.language for t in clean],
        "created_at": [t.raw.created_at for t in clean],
        "group": groups,
        "split": splits,
        "fold": assign_folds(groups, strata, splits, params.folds, seed),
        "near_train": find_near_train(groups, splits),
        "resolution": pd.Series([_resolution(t.raw.resolution) for t in clean], dtype=object),
    }
    for target in targets:
        columns[target] = pd.Series([t.raw.labels[target] for t in clean], dtype=object)
    frame = pd.DataFrame(columns)[[*PREPARED_COLUMNS, *targets]]
    learned = Learned()
    if said:
        stand = Stand(columns["text"], groups, splits, columns["fold"].tolist())
        known = {t: {*frame[t].dropna(), *dataset.labels.get(t, ())} for t in targets}
        learned = learn(said.files, said.golden, stand, known, params, said.trust, seed)
        frame = _with_feedback(frame, learned, targets)
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
        "classes": _class_counts(frame, classes),
        "language": _language_source(dataset),
        "ordered": [target for target in targets if target in dataset.ordered],
        "licence": dataset.licence,
        "citation": dataset.citation,
    }
    report = render_checks(checks, summary)
    return Outcome(Prepared(frame, classes, summary), _shown(rejected), report, learned)


def _with_feedback(frame: pd.DataFrame, learned: Learned, targets: Sequence[str]) -> pd.DataFrame:
    """The table with feedback tickets after those of the data set, all of them in train."""
    if not learned.tickets:
        return frame
    more = pd.DataFrame(
        [
            {
                "id": ticket.id,
                "text": ticket.text,
                "language": ticket.language,
                "created_at": ticket.created_at,
                "group": ticket.group,
                "split": "train",
                "fold": ticket.fold,
                "near_train": False,
                "resolution": None,
                **{target: ticket.labels.get(target) for target in targets},
            }
            for ticket in learned.tickets
        ],
        columns=list(frame.columns),
    )
    # Columns that are empty in either part would otherwise lose their type.
    parts = [part.astype(object) for part in (frame, more)]
    return pd.concat(parts, ignore_index=True).astype(frame.dtypes.to_dict())


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


def _resolution(text: str | None) -> str | None:
    return model_text(text) if text else None


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


def _clean(
    raw: Sequence[RawTicket], rejected: list[Rejected], params: PrepareParams
) -> tuple[list[_Clean], dict[str, int]]:
    """Tickets through the text door; what is empty behind it joins the rejected."""
    language = params.language
    detector = LanguageDetector(language.targets, language.min_letters, detector=language.detector)
    masked: Counter[str] = Counter()
    clean = []
    for ticket in tqdm(raw, desc="text", unit=" tickets"):
        text = prepare_text(ticket.text)
        if not text:
            row = ticket.row
            rejected.append(
                Rejected(row.file, row.number, ticket.id, "empty_text", "nothing to read in it")
            )
            continue
        spoken = ticket.language or detector.detect(text)
        result = mask(text)
        masked.update(result.counts)
        clean.append(_Clean(ticket, result.text, spoken))
    return clean, dict(sorted(masked.items()))


def _groups(clean: Sequence[_Clean], params: PrepareParams, seed: int) -> tuple[list[str], int]:
    """The group of each ticket, named after its first id, and the near-duplicate pairs joined."""
    groups = Groups(len(clean))
    near = params.near_duplicates
    pairs = join_near_duplicates(
        groups, [t.text for t in clean], near.threshold, near.permutations, near.shingle, seed
    )
    groups.join_equal(t.raw.group for t in clean)
    return [clean[root].raw.id for root in groups.roots()], pairs


def _class_counts(
    frame: pd.DataFrame, classes: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, dict[str, int]]]:
    return {
        target: {
            label: {
                name: int(((frame[target] == label) & (frame["split"] == name)).sum())
                for name in SPLITS
            }
            for label in labels
        }
        for target, labels in classes.items()
    }


def _shown(rejected: Sequence[Rejected]) -> list[dict[str, object]]:
    # A mask needs the whole of what it masks, so more is masked than is shown.
    return [
        {
            "file": r.file,
            "row": r.number,
            "id": mask(r.id).text,
            "reason": r.reason,
            "detail": mask(r.detail).text,
            "text": mask(prepare_text(r.text[: 10 * REJECTED_CHARACTERS])).text[
                :REJECTED_CHARACTERS
            ],
        }
        for r in sorted(rejected, key=lambda r: (r.file, r.number))
    ]


def _reasons(rejected: Sequence[Rejected]) -> str:
    counts = Counter(r.reason for r in rejected)
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common()) or "no rows"


def require_few_rejected(summary: Mapping[str, Any], limit: float, where: Path) -> None:
    """Raise RejectedRowsError if a larger share of the rows than `limit` was rejected."""
    rows = summary["rows"]
    if rows["rejected"] > limit * rows["read"]:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in summary["rejected"].items())
        raise RejectedRowsError(
            f"{rows['rejected']:,} of {rows['read']:,} rows were rejected ({reasons}); "
            f"prepare.max_rejected allows {limit:.1%}. They are in {where}"
        )


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
