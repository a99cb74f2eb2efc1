"""The command compares what it is told to compare, and says what is to be done."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.sql import SqlStore
from evaluation.drift_report import Rules
from models.assistant import TicketAssistant
from models.deployment import Deployment
from models.publishing import open_store
from pipelines import drift
from pipelines.drift import main, make_events
from pipelines.drift_checks import check_store
from tests.pipelines.drifting import DAY, make_tickets, write_file
from tests.stores import NOON


def test_events_tell_that_it_was_checked_and_alert_if_something_is_to_be_done(
    changed_store: SqlStore, keyword_bundle: Path
) -> None:
    quiet, _, _ = check_store(
        changed_store, keyword_bundle, NOON + 9 * DAY, NOON + 10 * DAY, Rules()
    )
    assert not quiet.enough
    events = make_events(quiet, "v", "me", NOON, alert=False)
    assert [event.action for event in events] == ["drift.checked"]
    assert events[0].detail["reasons"]
    new, _, _ = check_store(changed_store, keyword_bundle, NOON + DAY, NOON + 2 * DAY, Rules())
    events = make_events(new, "v", "me", NOON, alert=True)
    assert [event.action for event in events] == ["alert.drift", "drift.checked"]
    assert "hologram" not in str(events)


def publish(keyword_bundle: Path) -> str:
    bundles = open_store()
    bundles.add(keyword_bundle)
    version = json.loads((keyword_bundle / "manifest.json").read_text())["version"]
    moment = datetime.now(UTC)
    bundles.deploy(Deployment(champion=None, published_at=moment).with_champion(version, moment))
    return str(version)


def test_the_command_reads_the_store_and_writes_its_report(
    changed_store: SqlStore, keyword_bundle: Path, keywords: Callable[[Path], TicketAssistant],
    drift_root: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    version = publish(keyword_bundle)
    arguments = ["--since", "2026-11-26T12:00Z", "--until", "2026-11-27", "--no-html", "--log",
                 "--actor", "me", "--output", "made/report"]  # fmt: skip
    assert main(arguments, keywords) == drift.SOMETHING
    told = capsys.readouterr().out
    assert told.startswith("relabel\n- ")
    assert "hologram" not in told
    report = json.loads((drift_root / "made/report.json").read_text())
    assert report["current"]["bundle"] == version
    assert not (drift_root / "made/report.html").exists()
    logged = changed_store.events()
    assert {event.action for event in logged} == {"drift.checked", "alert.drift"}
    assert all((event.actor, event.subject) == ("me", version) for event in logged)


def test_the_same_drift_is_an_alert_once_however_often_it_is_logged(
    changed_store: SqlStore, keyword_bundle: Path, keywords: Callable[[Path], TicketAssistant]
) -> None:
    publish(keyword_bundle)
    arguments = ["--since", "2026-11-26T12:00Z", "--until", "2026-11-27", "--no-html", "--log"]
    assert main(arguments, keywords) == main(arguments, keywords) == drift.SOMETHING
    assert len(changed_store.events(9, "drift.checked")) == 2
    assert len(changed_store.events(9, "alert.drift")) == 1


def test_the_command_compares_two_windows_if_asked_to(
    changed_store: SqlStore,
    keyword_bundle: Path,
    keywords: Callable[[Path], TicketAssistant],
    drift_root: Path,
) -> None:
    publish(keyword_bundle)
    arguments = ["--since", "2026-11-25", "--until", "2026-11-26", "--no-html",
                 "--reference-since", "2026-11-25"]  # fmt: skip
    assert main(arguments, keywords) == drift.NOTHING  # the window before is empty
    found = list((drift_root / "evaluation/reports/drift").glob("*.json"))
    assert len(found) == 1
    assert "too few to judge" in found[0].read_text()


def test_the_command_compares_files_and_draws_a_page(
    drift_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_file(drift_root / "old.jsonl", make_tickets(3, 150))
    write_file(drift_root / "new.jsonl", make_tickets(4, 150))
    arguments = ["new.jsonl", "--reference", "old.jsonl", "--output", "made/report", "--looks", "1"]
    assert main(arguments) == drift.NOTHING
    assert capsys.readouterr().out.startswith("nothing\n- Tickets and answers are as they were.")
    assert json.loads((drift_root / "made/report.json").read_text())["rules"]["looks"] == 1
    assert "Nothing needs to be done" in (drift_root / "made/report.html").read_text()


def test_labels_of_a_file_are_read_by_their_column(
    drift_root: Path, keyword_bundle: Path, keywords: Callable[[Path], TicketAssistant]
) -> None:
    write_file(drift_root / "new.jsonl", make_tickets(4, 150))
    arguments = ["new.jsonl", "--bundle", str(keyword_bundle), "--label", "category=queue",
                 "--output", "made/report", "--no-html"]  # fmt: skip
    main(arguments, keywords)
    report = json.loads((drift_root / "made/report.json").read_text())
    assert report["accuracy"]["category"]["audited"] == 150


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jsonl", "--reference", "old.jsonl"], "missing.jsonl is not there"),
        (["new.jsonl"], "names no champion"),
        (["new.jsonl", "--reference", "old.jsonl", "--label", "queue"], "TARGET=COLUMN"),
        ([], "names no champion"),
    ],
)
def test_what_cannot_be_compared_stops_with_the_reason(
    drift_root: Path, arguments: list[str], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("old", "new"):
        write_file(drift_root / f"{name}.jsonl", make_tickets(3, 50))
    assert main([*arguments, "--no-html"]) == drift.STOPPED
    assert message in caplog.text
