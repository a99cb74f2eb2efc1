"""Windows are compared with what they are to be compared with."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import DataError
from data.sql import SqlStore
from evaluation.drift_report import Rules
from evaluation.judgement import Believed
from models.assistant import TicketAssistant
from pipelines.drift_checks import check_files, check_store
from pipelines.scored_rows import TicketColumns
from tests.pipelines.drifting import DAY, NEW_WORDS, make_tickets, write_file
from tests.stores import NOON, make_feedback, make_prediction


def test_the_store_is_compared_with_the_reference_of_the_bundle(
    changed_store: SqlStore, keyword_bundle: Path
) -> None:
    rules = Rules(looks=2)
    same, _, _ = check_store(changed_store, keyword_bundle, NOON, NOON + DAY, rules)
    assert same.current.tickets == 150
    flagged = {check.name for check in same.checks if check.drifted}
    # Stored confidences are 0.5, the reference is surer; the tickets are as they were.
    assert not any(name.startswith(("embedding", "unknown", "language")) for name in flagged)
    new, reference, current = check_store(
        changed_store, keyword_bundle, NOON + DAY, NOON + 2 * DAY, rules
    )
    flagged = {check.name for check in new.checks if check.drifted}
    assert {"embedding.classifier", "unknown_words"} <= flagged
    assert new.action == "relabel"
    assert len(reference) == 400 and len(current) == 150
    assert len(new.to_label) == 50
    assert "hologram" in {shift.word for shift in new.words}


def test_two_windows_of_the_store_are_compared(
    changed_store: SqlStore, keyword_bundle: Path
) -> None:
    report, reference, _ = check_store(
        changed_store,
        keyword_bundle,
        NOON + DAY,
        NOON + 2 * DAY,
        Rules(),
        reference=(NOON, NOON + DAY),
    )
    assert (len(reference), report.reference.name) == (150, "the window before")
    flagged = {check.name for check in report.checks if check.drifted}
    assert "embedding.classifier" in flagged
    assert not flagged & {"category.confidence"}


def test_files_are_compared_without_a_model(tmp_path: Path) -> None:
    old = write_file(tmp_path / "old.jsonl", make_tickets(3, 200))
    same = write_file(tmp_path / "same.jsonl", make_tickets(4, 200))
    new = write_file(tmp_path / "new.jsonl", make_tickets(5, 200, NEW_WORDS))
    assert check_files(same, old, TicketColumns(), Rules())[0].action == "nothing"
    report, _, _ = check_files(new, old, TicketColumns(), Rules())
    assert "embedding.classifier" in {check.name for check in report.checks if check.drifted}
    with pytest.raises(DataError, match="needs something to be compared with"):
        check_files(new, None, TicketColumns(), Rules())


def test_a_file_is_compared_with_a_bundle(
    tmp_path: Path, keyword_bundle: Path, keywords: Callable[[Path], TicketAssistant]
) -> None:
    same = write_file(tmp_path / "same.jsonl", make_tickets(6, 300))
    report, _, window = check_files(
        same, None, TicketColumns(), Rules(), folder=keyword_bundle, loaded=keywords
    )
    flagged = {check.name for check in report.checks if check.drifted}
    assert flagged <= {"language"}  # nobody told a detector of words alone which language they are
    assert report.label_shift["category"].method == "em"
    assert window.targets["category"].probabilities is not None


def test_labels_that_may_not_count_are_none(changed_store: SqlStore, keyword_bundle: Path) -> None:
    version = json.loads((keyword_bundle / "manifest.json").read_text())["version"]
    rows = [
        make_prediction(
            5_000 + n, at=NOON, bundle=version, audit=True, labels={"category": "printer"}
        )
        for n in range(60)
    ]
    changed_store.add_predictions(rows)
    changed_store.add_feedback(
        [make_feedback(f"k{n}", 5_000 + n, author="ann" if n % 2 else "mallory") for n in range(60)]
    )

    def labelled(believed: Believed | None) -> int:
        window = (NOON, NOON + DAY)
        report, _, _ = check_store(
            changed_store, keyword_bundle, *window, Rules(), believed=believed
        )
        return report.accuracy["category"].audited

    assert labelled(None) == 60
    assert labelled(lambda said: said.author != "mallory") == 30
