"""A person sees what is in a batch and decides with a name and a reason."""

import json
from pathlib import Path

import pytest

from data.feedback_files import FeedbackFiles
from data.sql import open_sql_store
from pipelines.feedback import main
from pipelines.golden import main as golden
from tests.feedback import make_row, write_batches
from tests.walk import set_out


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_out(tmp_path, monkeypatch, dataset="sample")
    monkeypatch.setenv("TICKETS_STORE", "sqlite:///store.db")


@pytest.fixture
def batch() -> str:
    rows = [make_row(1), make_row(2, author="bob", label="printer"), make_row(3, author=None)]
    return write_batches(Path("data/raw/feedback"), rows)[0]


def events(action: str):
    store = open_sql_store("sqlite:///store.db")
    found = store.events(action=action)
    store.close()
    return found


def test_batches_are_listed_with_where_they_stand(batch: str, capsys) -> None:
    main(["list"])
    assert capsys.readouterr().out.splitlines()[1].split() == [batch, "3", "0", "0", "0", "open"]
    main(["quarantine", batch, "--author", "bob", "--reason", "odd"])
    main(["list"])
    assert capsys.readouterr().out.splitlines()[-1].split()[1:3] == ["3", "1"]
    files = FeedbackFiles()
    files.erase(lambda row: row.author is None, "x", files.chain.links[-1].at)
    main(["list"])
    assert "quarantine, 1 rows erased" in capsys.readouterr().out


def test_a_decision_has_a_name_and_a_reason_in_both_logs(batch: str, capsys) -> None:
    main(["--actor", "carol", "quarantine", batch, "--target", "category", "--from", "network",
          "--to", "printer", "--reason", "looks aimed"])  # fmt: skip
    told = capsys.readouterr().out
    assert "carol quarantined (category: network to printer): looks aimed" in told
    main(["--actor", "carol", "release", batch, "--reason", "bob was right"])
    main(["--actor", "carol", "revoke", batch, "--reason", "a test run"])
    main(["list"])
    assert "revoked" in capsys.readouterr().out
    for action, reason in (("released", "bob was right"), ("revoked", "a test run")):
        (event,) = events(f"feedback.{action}")
        assert (event.actor, event.subject) == ("carol", batch)
        assert event.detail["reasons"] == [reason]
    assert events("feedback.revoked")[0].detail["head"] == FeedbackFiles().chain.head


def test_a_batch_is_shown_without_what_customers_wrote(batch: str, capsys) -> None:
    main(["show", batch])
    told = capsys.readouterr().out
    assert "anna 1, bob 1, (nameless) 1" in told
    assert "category: network 2" in told
    assert "invented" not in told


@pytest.mark.parametrize("arguments", [
    ["show", "none"],
    ["release", "{batch}", "--reason", "nothing held"],
    ["revoke", "{batch}", "--reason", " "],
])  # fmt: skip
def test_what_cannot_be_decided_is_refused(batch: str, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="feedback "):
        main([argument.format(batch=batch) for argument in arguments])


def test_no_proposals_is_an_answer(capsys) -> None:
    main(["labels"])
    assert "nobody proposed" in capsys.readouterr().out


def test_golden_tickets_are_added_by_name_and_never_overwritten(tmp_path: Path, capsys) -> None:
    file = tmp_path / "settled.jsonl"
    line = {"text": "the invoice is wrong", "labels": {"severity": "low"}}
    file.write_text(json.dumps(line) + "\n")
    golden(["show"])
    golden(["--actor", "carol", "add", str(file), "--reason", "both leads agree"])
    golden(["add", str(file), "--reason", "again"])
    assert "0 added, 1 known before, 1 in all" in capsys.readouterr().out
    golden(["show"])
    assert "severity: low" in capsys.readouterr().out
    (event,) = events("golden.added")
    assert (event.actor, event.detail["added"]) == ("carol", 1)
    for wrong in (line | {"labels": {"severity": "high"}}, line | {"labels": {"severity": "x"}}):
        file.write_text(json.dumps(wrong) + "\n")
        with pytest.raises(SystemExit, match="golden add"):
            golden(["add", str(file), "--reason", "other"])
    with pytest.raises(SystemExit, match="reason is empty"):
        golden(["add", str(file), "--reason", " "])
    Path("data/golden/seal.jsonl").unlink()
    Path("data/golden/tickets.jsonl").unlink()
    with pytest.raises(SystemExit, match="audit log"):
        golden(["add", str(file), "--reason", "a set of my own"])
