"""The command compares what it is told to compare, and says what is to be done."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from data.schema import Ticket
from data.sql import SqlStore, open_sql_store
from data.store import StoredPrediction
from evaluation.drift_reference import FILE, write_reference
from evaluation.drift_report import Rules, WindowFacts
from evaluation.drift_vectors import HASHED, hash_vectors
from evaluation.drift_window import Answers, Window, make_window
from evaluation.drift_words import KnownWords, count_words, plain_words
from evaluation.judgement import Believed
from models.assistant import TicketAssistant
from models.bundle import Origin, seal
from models.deployment import Deployment
from models.publishing import open_store
from pipelines import drift
from pipelines.drift import check_files, check_store, main, make_events
from pipelines.scored_rows import TicketColumns
from tests.stores import NOON, make_feedback, make_prediction

LABELS = {"category": ("network", "printer")}
DAY = timedelta(days=1)
OLD_WORDS = ("network cable switch router vpn tunnel slow timeout", "printer paper toner tray jam")
NEW_WORDS = ("hologram projector lens beam", "drone battery rotor blade")


def write_text(random: np.random.Generator, kind: int, words: tuple[str, str] = OLD_WORDS) -> str:
    return " ".join(random.choice(words[kind].split(), 6)) + f" {'network' if kind == 0 else ''}"


def make_tickets(seed: int, n: int, words: tuple[str, str] = OLD_WORDS) -> list[str]:
    random = np.random.default_rng(seed)
    return [write_text(random, int(kind), words) for kind in random.integers(0, 2, n)]


def window_of(texts: list[str]) -> tuple[Window, KnownWords]:
    """As the keyword member answers, and the words of its training."""
    known = KnownWords.of(count_words(map(plain_words, texts), [str(n) for n in range(len(texts))]))
    named = np.array(["network" in text for text in texts])
    probabilities = np.where(named[:, None], [0.97, 0.03], [0.3, 0.7])
    return make_window(
        WindowFacts(name="reference of the bundle", tickets=0),
        texts,
        ids=[""] * len(texts),
        languages=["en"] * len(texts),
        groups=[str(n % 50) for n in range(len(texts))],
        known=known,
        targets={
            "category": Answers.of(
                LABELS["category"],
                probabilities,
                probabilities[:, 0] > 0.9,
                probabilities.argmax(axis=1).astype(np.int64),
            )
        },
        embeddings=hash_vectors(texts),
        encoder=HASHED,
    ), known


@pytest.fixture
def keyword_bundle(
    trained_keywords: Path, tmp_path: Path, keywords: Callable[[Path], TicketAssistant]
) -> Path:
    """A bundle whose reference is 400 tickets of two known kinds."""
    window, known = window_of(make_tickets(0, 400))
    folder = tmp_path / "bundles" / "drift"
    seal(
        trained_keywords,
        folder,
        Origin(
            dataset="invented",
            fallback=True,
            data_fingerprint="f" * 64,
            params={"prepare": {"language": {"targets": ["en", "de"]}}},
            metrics={},
        ),
        card="# An invented card\n",
        reference={"tickets": 400},
        probes=[Ticket(text="the network is down"), Ticket(text="no paper left")],
        construct=keywords,
        write_beside=lambda partial: write_reference(window, known, partial / FILE),
    )
    return folder


@pytest.fixture
def here(tmp_path: Path, keyword_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with params.yaml, a published champion and an empty store."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "params.yaml").write_text("dataset: invented\nseed: 7\n", encoding="utf-8")
    monkeypatch.chdir(root)
    monkeypatch.setenv("TICKETS_STORE", "sqlite:///store.db")
    monkeypatch.setenv("TICKETS_BUNDLE_STORE", str(root / "published"))
    return root


def stored(number: int, text: str, at: datetime, version: str) -> StoredPrediction:
    named = "network" in text
    return make_prediction(
        number,
        text=text,
        at=at,
        bundle=version,
        labels={"category": "network" if named else "printer"},
    )


@pytest.fixture
def store(here: Path, keyword_bundle: Path) -> Iterator[SqlStore]:
    """A day of 150 tickets as before, then a day of 150 about something new."""
    version = json.loads((keyword_bundle / "manifest.json").read_text())["version"]
    opened = open_sql_store("sqlite:///store.db")
    opened.know_bundle(version, LABELS)
    for day, words in enumerate((OLD_WORDS, NEW_WORDS)):
        texts = make_tickets(day + 1, 150, words)
        opened.add_predictions(
            [
                stored(1000 * day + n, text, NOON + day * DAY, version)
                for n, text in enumerate(texts)
            ]
        )
    yield opened
    opened.close()


def test_the_store_is_compared_with_the_reference_of_the_bundle(
    store: SqlStore, keyword_bundle: Path
) -> None:
    rules = Rules(looks=2)
    same, _, _ = check_store(store, keyword_bundle, NOON, NOON + DAY, rules)
    assert same.current.tickets == 150
    flagged = {check.name for check in same.checks if check.drifted}
    # Stored confidences are 0.5, the reference is surer; the tickets are as they were.
    assert not any(name.startswith(("embedding", "unknown", "language")) for name in flagged)
    new, reference, current = check_store(store, keyword_bundle, NOON + DAY, NOON + 2 * DAY, rules)
    flagged = {check.name for check in new.checks if check.drifted}
    assert {"embedding.classifier", "unknown_words"} <= flagged
    assert new.action == "relabel"
    assert len(reference) == 400 and len(current) == 150
    assert len(new.to_label) == 50
    assert "hologram" in {shift.word for shift in new.words}


def test_two_windows_of_the_store_are_compared(store: SqlStore, keyword_bundle: Path) -> None:
    report, reference, _ = check_store(
        store, keyword_bundle, NOON + DAY, NOON + 2 * DAY, Rules(), reference=(NOON, NOON + DAY)
    )
    assert (len(reference), report.reference.name) == (150, "the window before")
    flagged = {check.name for check in report.checks if check.drifted}
    assert "embedding.classifier" in flagged
    assert not flagged & {"category.confidence"}


def write_file(path: Path, texts: list[str]) -> Path:
    path.write_text(
        "\n".join(json.dumps({"text": text, "queue": "printer"}) for text in texts),
        encoding="utf-8",
    )
    return path


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


def test_events_tell_that_it_was_checked_and_alert_if_something_is_to_be_done(
    store: SqlStore, keyword_bundle: Path
) -> None:
    quiet, _, _ = check_store(store, keyword_bundle, NOON + 9 * DAY, NOON + 10 * DAY, Rules())
    assert not quiet.enough
    events = make_events(quiet, "v", "me", NOON, alert=False)
    assert [event.action for event in events] == ["drift.checked"]
    assert events[0].detail["reasons"]
    new, _, _ = check_store(store, keyword_bundle, NOON + DAY, NOON + 2 * DAY, Rules())
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
    store: SqlStore, keyword_bundle: Path, keywords: Callable[[Path], TicketAssistant],
    here: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    version = publish(keyword_bundle)
    arguments = ["--since", "2026-11-26T12:00Z", "--until", "2026-11-27", "--no-html", "--log",
                 "--actor", "me", "--output", "made/report"]  # fmt: skip
    assert main(arguments, keywords) == drift.SOMETHING
    told = capsys.readouterr().out
    assert told.startswith("relabel\n- ")
    assert "hologram" not in told
    report = json.loads((here / "made/report.json").read_text())
    assert report["current"]["bundle"] == version
    assert not (here / "made/report.html").exists()
    logged = store.events()
    assert {event.action for event in logged} == {"drift.checked", "alert.drift"}
    assert all((event.actor, event.subject) == ("me", version) for event in logged)


def test_the_same_drift_is_an_alert_once_however_often_it_is_logged(
    store: SqlStore, keyword_bundle: Path, keywords: Callable[[Path], TicketAssistant]
) -> None:
    publish(keyword_bundle)
    arguments = ["--since", "2026-11-26T12:00Z", "--until", "2026-11-27", "--no-html", "--log"]
    assert main(arguments, keywords) == main(arguments, keywords) == drift.SOMETHING
    assert len(store.events(9, "drift.checked")) == 2
    assert len(store.events(9, "alert.drift")) == 1


def test_labels_that_may_not_count_are_none(store: SqlStore, keyword_bundle: Path) -> None:
    version = json.loads((keyword_bundle / "manifest.json").read_text())["version"]
    rows = [
        make_prediction(
            5_000 + n, at=NOON, bundle=version, audit=True, labels={"category": "printer"}
        )
        for n in range(60)
    ]
    store.add_predictions(rows)
    store.add_feedback(
        [make_feedback(f"k{n}", 5_000 + n, author="ann" if n % 2 else "mallory") for n in range(60)]
    )

    def labelled(believed: Believed | None) -> int:
        window = (NOON, NOON + DAY)
        report, _, _ = check_store(store, keyword_bundle, *window, Rules(), believed=believed)
        return report.accuracy["category"].audited

    assert labelled(None) == 60
    assert labelled(lambda said: said.author != "mallory") == 30


def test_the_command_compares_two_windows_if_asked_to(
    store: SqlStore, keyword_bundle: Path, keywords: Callable[[Path], TicketAssistant], here: Path
) -> None:
    publish(keyword_bundle)
    arguments = ["--since", "2026-11-25", "--until", "2026-11-26", "--no-html",
                 "--reference-since", "2026-11-25"]  # fmt: skip
    assert main(arguments, keywords) == drift.NOTHING  # the window before is empty
    found = list((here / "evaluation/reports/drift").glob("*.json"))
    assert len(found) == 1
    assert "too few to judge" in found[0].read_text()


def test_the_command_compares_files_and_draws_a_page(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_file(here / "old.jsonl", make_tickets(3, 150))
    write_file(here / "new.jsonl", make_tickets(4, 150))
    arguments = ["new.jsonl", "--reference", "old.jsonl", "--output", "made/report", "--looks", "1"]
    assert main(arguments) == drift.NOTHING
    assert capsys.readouterr().out.startswith("nothing\n- Tickets and answers are as they were.")
    assert json.loads((here / "made/report.json").read_text())["rules"]["looks"] == 1
    assert "Nothing needs to be done" in (here / "made/report.html").read_text()


def test_labels_of_a_file_are_read_by_their_column(
    here: Path, keyword_bundle: Path, keywords: Callable[[Path], TicketAssistant]
) -> None:
    write_file(here / "new.jsonl", make_tickets(4, 150))
    arguments = ["new.jsonl", "--bundle", str(keyword_bundle), "--label", "category=queue",
                 "--output", "made/report", "--no-html"]  # fmt: skip
    main(arguments, keywords)
    report = json.loads((here / "made/report.json").read_text())
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
    here: Path, arguments: list[str], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("old", "new"):
        write_file(here / f"{name}.jsonl", make_tickets(3, 50))
    assert main([*arguments, "--no-html"]) == drift.STOPPED
    assert message in caplog.text
