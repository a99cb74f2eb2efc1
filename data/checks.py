"""Is the data set fit to learn from? Checks with a readable report."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from data.split import SPLITS, UNUSED

Level = Literal["ok", "warning", "error"]

SHORT_WORDS = 3
"""Texts with fewer words seldom say what they are about."""

MANY = 0.05
"""Share of tickets from which missing, short or unknown is worth a warning."""

_MARKS = {"ok": "ok", "warning": "**warning**", "error": "**ERROR**"}


@dataclass(frozen=True)
class Check:
    """What one check found; `count` is the number of tickets, labels or groups it speaks of."""

    name: str
    level: Level
    message: str
    count: int


def check_tickets(
    frame: pd.DataFrame,
    targets: Mapping[str, Sequence[str]],
    copies: Sequence[str],
    min_class: int,
    rejected: Mapping[str, int],
    duplicate_ids: int = 0,
) -> list[Check]:
    """Every check on a prepared table.

    Parameters
    ----------
    frame : a prepared table
    targets : target -> class names
    copies : shape (n,); equal for texts that are copies of each other
    min_class : a label with fewer tickets is rare
    rejected : reason -> number of rows
    """
    n = len(frame)
    checks = [_schema(frame), _rejections(rejected, n)]
    checks.append(
        _graded("duplicate_ids", duplicate_ids, "tickets carry an id that an earlier one has", n)
    )
    for target, classes in targets.items():
        checks.extend(_label_checks(frame, target, classes, min_class))
        checks.append(_conflicts(frame, target, copies))
    checks.extend(_leakage(frame, copies))
    checks.append(_languages(frame))
    checks.append(_lengths(frame))
    return checks


def render_checks(checks: Sequence[Check], summary: Mapping[str, Any]) -> str:
    """The checks and the figures of the summary as Markdown."""
    rows = summary["rows"]
    lines = [
        f"# Checks of {summary['dataset']}",
        "",
        f"{rows['read']:,} rows read, {rows['accepted']:,} accepted, "
        f"{rows['rejected']:,} rejected.",
    ]
    if summary["fallback"]:
        lines += ["", "**The bundled sample stands in for the data set that was wanted.**"]
    lines += ["", "| check | level | found |", "|---|---|---|"]
    lines += [f"| {c.name} | {_MARKS[c.level]} | {_cell(c.message)} |" for c in checks]
    published = summary["published_split"] or "none, drawn by label or time"
    lines += ["", "## Splits", "", f"Published split: {published}.", "", "| split | tickets |"]
    lines += ["|---|---:|"]
    lines += [f"| {name} | {summary['splits'][name]:,} |" for name in SPLITS]
    if summary["unused"]:
        golden = summary.get("like_golden", 0)
        why = f" ({golden:,} are like golden ones)" if golden else " (prepare.max_train)"
        lines += ["", f"{summary['unused']:,} train tickets are set aside{why}."]
    if learned := summary.get("feedback", {}).get("tickets"):
        lines += ["", f"{learned:,} of the train tickets come from feedback."]
    lines += ["", f"{summary['near_train']:,} test tickets have a near-duplicate outside test."]
    if summary["published_moved"]:
        lines += [
            "",
            f"{summary['published_moved']:,} tickets of other published parts went to train, "
            "because their group stands in more than one of them.",
        ]
    groups = summary["groups"]
    lines += [
        "",
        f"{groups['count']:,} groups, the largest of {groups['largest']:,} tickets; "
        f"{groups['copies']:,} tickets copy another one, "
        f"{groups['near_duplicate_pairs']:,} pairs of near-duplicates were joined.",
    ]
    for target, classes in summary["classes"].items():
        lines += ["", f"## Labels of {_cell(target)}", "", f"| label | {' | '.join(SPLITS)} |"]
        lines += [f"|---|{'---:|' * len(SPLITS)}"]
        for label, counts in classes.items():
            cells = " | ".join(f"{counts[name]:,}" for name in SPLITS)
            lines.append(f"| {_cell(label)} | {cells} |")
    for title, key in (
        ("Rejected rows", "rejected"),
        ("Masked", "masked"),
        ("Languages", "languages"),
    ):
        lines += ["", f"## {title}", ""]
        lines += [f"- {_cell(name)}: {count:,}" for name, count in summary[key].items()] or [
            "None."
        ]
    return "\n".join(lines) + "\n"


def as_records(checks: Sequence[Check]) -> list[dict[str, Any]]:
    return [asdict(check) for check in checks]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _graded(name: str, count: int, what: str, n: int, limit: float = 0.0) -> Check:
    level: Level = "warning" if count > limit * n else "ok"
    share = f" ({count / n:.1%})" if n else ""
    return Check(name, level, f"{count:,} {what}{share}", count)


def _schema(frame: pd.DataFrame) -> Check:
    faults = []
    if not frame["id"].is_unique:
        faults.append("ids are not unique")
    if not frame["split"].isin([*SPLITS, UNUSED]).all():
        faults.append("unknown splits")
    if not frame["text"].str.strip().all():
        faults.append("empty texts")
    if not (frame["split"] == "train").any():
        faults.append("no train tickets")
    level: Level = "error" if faults else "ok"
    message = "; ".join(faults) or f"{len(frame):,} tickets, {len(frame.columns)} columns"
    return Check("schema", level, message, len(faults))


def _rejections(rejected: Mapping[str, int], accepted: int) -> Check:
    count = sum(rejected.values())
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in rejected.items())
    what = f"rows rejected: {reasons}" if reasons else "rows rejected"
    return _graded("rejected", count, what, accepted + count)


def _label_checks(
    frame: pd.DataFrame, target: str, classes: Sequence[str], min_class: int
) -> Iterator[Check]:
    n = len(frame)
    counts = frame[target].value_counts()
    trained = set(frame.loc[frame["split"] == "train", target].dropna())
    if len(trained) < 2:
        message = f"{target}: {len(trained)} labels in train, and two are the least to learn from"
        yield Check("classes", "error", message, len(trained))
    unseen = [label for label in classes if label not in trained]
    if unseen:
        message = f"{target}: {len(unseen)} labels never occur in train: {_some(unseen)}"
        yield Check("unseen_labels", "warning", message, len(unseen))
    rare = [label for label in classes if counts[label] < min_class]
    message = f"{target}: {len(rare)} labels have fewer than {min_class} tickets"
    yield Check(
        "rare_labels",
        "warning" if rare else "ok",
        f"{message}: {_some(rare)}" if rare else message,
        len(rare),
    )
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in classes:
        spellings[" ".join(label.casefold().replace("_", " ").replace("-", " ").split())].append(
            label
        )
    alike = [label for labels in spellings.values() if len(labels) > 1 for label in labels]
    if alike:
        message = f"{target}: labels that differ in spelling only: {_some(alike)}"
        yield Check("label_spelling", "warning", message, len(alike))
    missing = int(frame[target].isna().sum())
    yield _graded("missing_labels", missing, f"tickets have no {target}", n, MANY)


def _some(labels: Sequence[str], limit: int = 10) -> str:
    more = f" and {len(labels) - limit} more" if len(labels) > limit else ""
    return ", ".join(labels[:limit]) + more


def _conflicts(frame: pd.DataFrame, target: str, copies: Sequence[str]) -> Check:
    labelled = frame[target].notna()
    exact = frame[labelled].groupby(np.asarray(copies)[labelled])[target].nunique()
    grouped = frame[labelled].groupby("group")[target].nunique()
    texts, groups = int((exact > 1).sum()), int((grouped > 1).sum())
    return Check(
        "conflicting_labels",
        "warning" if texts else "ok",
        f"{target}: {texts:,} texts and {groups:,} groups carry more than one label",
        texts,
    )


def _leakage(frame: pd.DataFrame, copies: Sequence[str]) -> Iterator[Check]:
    tests = (frame["split"] == "test").to_numpy()
    keys = np.asarray(copies)
    elsewhere = set(keys[~tests])
    exact = sum(key in elsewhere for key in keys[tests])
    yield _graded("copies_in_test", exact, "test tickets are copies of others", int(tests.sum()))
    near = int(frame["near_train"].sum())
    yield _graded(
        "near_train", near, "test tickets have a near-duplicate outside test", int(tests.sum())
    )


def _languages(frame: pd.DataFrame) -> Check:
    counts = Counter(frame["language"].fillna("unknown"))
    mix = ", ".join(f"{name} {count / len(frame):.1%}" for name, count in counts.most_common(8))
    unknown = counts["unknown"]
    level: Level = "warning" if unknown > MANY * len(frame) else "ok"
    return Check("languages", level, mix, unknown)


def _lengths(frame: pd.DataFrame) -> Check:
    words = frame["text"].str.split().str.len()
    low, middle, high = (int(q) for q in words.quantile([0.05, 0.5, 0.95]))
    short = int((words < SHORT_WORDS).sum())
    level: Level = "warning" if short > MANY * len(frame) else "ok"
    message = (
        f"words per text: median {middle}, 5 % below {low}, 5 % above {high}; "
        f"{short:,} texts of fewer than {SHORT_WORDS} words"
    )
    return Check("lengths", level, message, short)
