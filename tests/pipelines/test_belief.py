"""Which feedback is evidence: not what is revoked or waits for a person."""

from datetime import UTC, datetime
from pathlib import Path

from data.feedback_files import FeedbackFiles
from data.feedback_rows import FeedbackRow, Scope
from data.schema import Ticket
from data.store import StoredFeedback
from pipelines.belief import believed_feedback

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def row(key: str, author: str) -> FeedbackRow:
    return FeedbackRow(
        key=key, prediction_id=f"p-{key}", target="category", verdict="correct", label="api",
        author=author, at=NOW, origin="audit", propensity=0.02, predicted="backend", confidence=0.9,
        decision="auto", bundle="b-1", arm="champion", answered_at=NOW, language="en",
        customer=None, ticket=Ticket(text="the api is down"),
    )  # fmt: skip


def said(key: str) -> StoredFeedback:
    return StoredFeedback(
        key=key, prediction_id=f"p-{key}", target="category", verdict="correct", label="api",
        at=NOW, status="accepted",
    )  # fmt: skip


def test_what_is_held_back_or_revoked_does_not_count(tmp_path: Path) -> None:
    files = FeedbackFiles(tmp_path)
    held = files.add({"rows": [row("a", "mallory"), row("b", "ann")]}, "me", NOW)
    number = files.quarantine(held.name, Scope(author="mallory"), ["floods"], "me", NOW)
    assert number == 2
    gone = files.add({"rows": [row("c", "ann")]}, "me", NOW)
    files.revoke(gone.name, "a test account", "me", NOW)
    counts = believed_feedback(FeedbackFiles(tmp_path))
    assert [counts(said(key)) for key in ("a", "b", "c", "not collected yet")] == [
        False,
        True,
        False,
        True,
    ]
    files.release(held.name, "they were right", "me", NOW)
    assert believed_feedback(FeedbackFiles(tmp_path))(said("a"))
