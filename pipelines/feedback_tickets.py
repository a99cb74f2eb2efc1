"""From feedback to tickets that train learns from, beside those of the data set.

They join train and nothing else, and what stands there already keeps its place: no group, split or
fold of the data set changes by a feedback ticket, so that figures before and after speak of the
same rows. One that resembles a ticket of another split, or a golden one, stays out.
"""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

from data.duplicates import shingle_sets
from data.feedback_files import FeedbackFiles
from data.feedback_rows import FeedbackRow
from data.golden import GoldenTicket
from data.near import find_near, group_near
from data.split import UNUSED
from data.text import model_text
from evaluation.trust import find_golden, text_keys
from evaluation.trust_params import FeedbackParams
from evaluation.trust_selection import Selection, select
from pipelines.params import NearDuplicateParams, PrepareParams

SET_ASIDE_COLUMNS = ("batch", "key", "prediction_id", "target", "author", "reason")


@dataclass(frozen=True)
class Stand:
    """Where the tickets of the data set stand; parallel sequences.

    Attributes
    ----------
    folds : -1 outside train
    """

    texts: Sequence[str]
    groups: Sequence[str]
    splits: Sequence[str]
    folds: Sequence[int]


@dataclass(frozen=True)
class FeedbackTicket:
    """A ticket of which people said what is right, as train takes it."""

    id: str
    text: str
    language: str | None
    created_at: str
    group: str
    fold: int
    labels: dict[str, str]


@dataclass(frozen=True)
class Learned:
    """What joins train, and the reason of every row that does not.

    Attributes
    ----------
    set_aside : records with the keys of SET_ASIDE_COLUMNS
    facts : counts for the report, which no later stage depends on
    """

    tickets: list[FeedbackTicket] = field(default_factory=list)
    set_aside: list[dict[str, str]] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class _Draft:
    """A ticket text with the rows that were chosen for it."""

    text: str
    rows: list[FeedbackRow]


def learn(
    files: FeedbackFiles,
    golden: Sequence[GoldenTicket],
    stand: Stand,
    known: Mapping[str, Collection[str]],
    params: PrepareParams,
    trust: FeedbackParams,
    seed: int,
) -> Learned:
    """What of all feedback joins train now.

    Parameters
    ----------
    known : target -> labels that may be learned; a proposed label counts once it is one of them

    Raises
    ------
    DataError
        If the files were altered.
    """
    batches = {}
    for name, batch in files.batches.items():
        proposed = [
            row for row in files.read(batch, "proposals") if row.label in known.get(row.target, ())
        ]
        batches[name] = (batch, [*files.read(batch), *proposed])
    every = [row for _, rows in batches.values() for row in rows]
    near = params.near_duplicates
    selection = select(
        batches.values(), find_golden(every, golden, near.threshold, near.shingle), trust
    )
    drafts, refused = _draft(selection.chosen, known, params.max_characters)
    tickets, kept_out = _place(drafts, stand, near, params.folds, seed)
    aside = [*selection.set_aside, *refused, *kept_out]
    of_batch = {row.key: name for name, (_, rows) in batches.items() for row in rows}
    records = [_record(of_batch[row.key], row, str(why)) for row, why in aside]
    facts = _facts(files, selection, tickets, Counter(str(why) for _, why in aside))
    return Learned(tickets, sorted(records, key=lambda r: (r["batch"], r["key"])), facts)


def find_golden_groups(
    golden: Sequence[GoldenTicket], stand: Stand, near: NearDuplicateParams
) -> set[str]:
    """Groups with a ticket that is a near-duplicate of a golden one."""
    if not golden:
        return set()
    found = find_near(
        shingle_sets(stand.texts, near.shingle),
        shingle_sets([ticket.text for ticket in golden], near.shingle),
        near.threshold,
    )
    return {stand.groups[position] for positions in found for position in positions}


def write_set_aside(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write what was not learned from, with its header even if there is nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, SET_ASIDE_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _draft(
    chosen: Sequence[FeedbackRow], known: Mapping[str, Collection[str]], max_characters: int
) -> tuple[list[_Draft], list[tuple[FeedbackRow, str]]]:
    """Chosen rows by ticket text, those that no ticket can be made of aside."""
    texts: dict[str, list[FeedbackRow]] = defaultdict(list)
    refused = []
    for key, row in zip(text_keys(chosen), chosen, strict=True):
        if row.label not in known.get(row.target, ()):
            refused.append((row, "unknown_label"))
        elif len(row.ticket.full_text) > max_characters:
            refused.append((row, "over_long"))
        else:
            texts[key].append(row)
    drafts = []
    for rows in texts.values():
        text = model_text(rows[0].ticket.full_text)
        if text:
            drafts.append(_Draft(text, rows))
        else:
            refused += [(row, "empty_text") for row in rows]
    return sorted(drafts, key=lambda draft: draft.rows[0].prediction_id), refused


def _place(
    drafts: Sequence[_Draft], stand: Stand, near: NearDuplicateParams, folds: int, seed: int
) -> tuple[list[FeedbackTicket], list[tuple[FeedbackRow, str]]]:
    """A group and a fold for each draft, and the rows whose ticket would stand on two sides."""
    if not drafts:
        return [], []
    shingles = shingle_sets([draft.text for draft in drafts], near.shingle)
    roots = group_near(shingles, near.threshold).roots()
    alike = find_near(shingle_sets(stand.texts, near.shingle), shingles, near.threshold)
    members: dict[int, list[int]] = defaultdict(list)
    for position, root in enumerate(roots):
        members[int(root)].append(position)
    tickets: list[FeedbackTicket] = []
    kept_out = []
    for root, positions in members.items():
        rows = [known for position in positions for known in alike[position]]
        splits = {stand.splits[row] for row in rows} - {"train", UNUSED}
        train = sorted(row for row in rows if stand.splits[row] == "train")
        if splits or len({stand.folds[row] for row in train}) > 1:
            why = f"near_{min(splits)}" if splits else "near_two_folds"
            kept_out += [(row, why) for p in positions for row in drafts[p].rows]
            continue
        own = _name(drafts[root])
        group = stand.groups[train[0]] if train else own
        fold = stand.folds[train[0]] if train else _draw_fold(own, folds, seed)
        tickets += [_ticket(drafts[position], group, fold) for position in positions]
    return sorted(tickets, key=lambda ticket: ticket.id), kept_out


def _ticket(draft: _Draft, group: str, fold: int) -> FeedbackTicket:
    first = draft.rows[0]
    return FeedbackTicket(
        id=_name(draft),
        text=draft.text,
        language=first.ticket.language or first.language,
        created_at=(first.ticket.created_at or first.answered_at).astimezone(UTC).isoformat(),
        group=group,
        fold=fold,
        labels={row.target: str(row.label) for row in draft.rows},
    )


def _name(draft: _Draft) -> str:
    return f"feedback-{draft.rows[0].prediction_id}"


def _draw_fold(group: str, folds: int, seed: int) -> int:
    """A fold by hash: balanced on the whole, and never changed by who else joins."""
    if folds == 0:
        return -1
    digest = hashlib.sha256(f"{seed}\x1ffeedback fold\x1f{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % folds


def _record(batch: str, row: FeedbackRow, why: str) -> dict[str, str]:
    values = (batch, row.key, row.prediction_id, row.target, row.name, why)
    return dict(zip(SET_ASIDE_COLUMNS, values, strict=True))


def _facts(
    files: FeedbackFiles,
    selection: Selection,
    tickets: Sequence[FeedbackTicket],
    aside: Mapping[str, int],
) -> dict[str, object]:
    batches = files.batches
    return {
        "head": files.chain.head,
        "batches": list(batches),
        "revoked": [name for name, batch in batches.items() if batch.revoked],
        "in_quarantine": [name for name, batch in batches.items() if batch.quarantines],
        "erased": sum(batch.erased for batch in batches.values()),
        "rows": len(selection.chosen) + len(selection.set_aside),
        "tickets_learned": len(tickets),
        "labels_learned": sum(len(ticket.labels) for ticket in tickets),
        "by_label": dict(
            sorted(
                Counter(
                    f"{target}: {label}" for t in tickets for target, label in t.labels.items()
                ).items()
            )
        ),
        "set_aside": dict(sorted(aside.items())),
        "authors": {
            name: author.model_dump(mode="json") for name, author in selection.authors.items()
        },
    }
