"""The rows that the gate holds two bundles against each other on, read from where they lie."""

from collections.abc import Sequence
from datetime import datetime

from data.duplicates import copy_keys
from data.golden import GoldenTicket
from data.prepared import Prepared
from data.schema import Ticket
from data.store import Query, Store
from data.text import model_text
from evaluation.gate_rows import Rows
from evaluation.judgement import Believed, judge
from evaluation.live import not_evidence


def read_test_rows(prepared: Prepared) -> Rows:
    """The test split of the prepared data."""
    rows, texts = prepared.rows("test"), prepared.texts()
    spoken = prepared.languages(rows)
    # Where the entry speaks for all tickets none carries its language, and the service detects it.
    carried = spoken if prepared.summary.get("language") != "entry" else [None] * len(rows)
    frame = prepared.frame.iloc[rows]
    return Rows(
        source="test",
        ids=[str(name) for name in frame["id"]],
        tickets=[
            Ticket(text=texts[row], language=language)
            for row, language in zip(rows, carried, strict=True)
        ],
        groups=[str(group) for group in frame["group"]],
        truth={
            target: [column[row] for row in rows]
            for target, column in ((name, prepared.labels(name)) for name in prepared.targets)
        },
    )


def golden_rows(golden: Sequence[GoldenTicket], targets: Sequence[str]) -> Rows:
    """The golden set; a label it does not name is not known."""
    return Rows(
        source="golden",
        ids=[ticket.id for ticket in golden],
        tickets=[Ticket(text=ticket.text, language=ticket.language) for ticket in golden],
        groups=copy_keys([ticket.text for ticket in golden]),
        truth={target: [ticket.labels.get(target) for ticket in golden] for target in targets},
    )


def audit_rows(
    store: Store,
    targets: Sequence[str],
    since: datetime,
    believed: Believed | None = None,
) -> Rows:
    """Audited tickets with the label that people gave them; rejected ones tell none.

    People saw the answer of the bundle that answered then, which is mostly the champion's, and
    confirm more easily than they correct: these rows lean towards the champion.

    Parameters
    ----------
    since : tickets answered at this moment and later
    believed : feedback that may count; all where left out
    """
    found = []
    for row in store.stream(Query(audit=True, answered=True, since=since)):
        if not_evidence(row) is None:
            told = {target: judge(row, target, believed) for target in targets}
            labels = {target: one.label if one else None for target, one in told.items()}
            if any(labels.values()):
                found.append((row.stored, labels))
    return Rows(
        source="audit",
        ids=[stored.ticket.id or stored.id for stored, _ in found],
        tickets=[stored.ticket for stored, _ in found],
        groups=copy_keys([model_text(stored.ticket.full_text) for stored, _ in found]),
        truth={target: [labels[target] for _, labels in found] for target in targets},
    )


def copies_of(rows: Rows, prepared: Prepared) -> frozenset[str]:
    """Ids of the rows whose text was learned from by whoever learned from the prepared data."""
    texts = prepared.texts()
    learned = prepared.rows("train", "valid", "calibration")
    known = set(copy_keys([texts[row] for row in learned]))
    keys = copy_keys([model_text(ticket.full_text) for ticket in rows.tickets])
    return frozenset(name for name, key in zip(rows.ids, keys, strict=True) if key in known)
