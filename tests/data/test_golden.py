"""The golden set grows by a command and is changed by nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.errors import ConflictError, DataError
from data.golden import (
    SEAL,
    TICKETS,
    GoldenTicket,
    add_golden,
    read_candidates,
    read_golden,
    require_known_labels,
)

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


def make(name: str, text: str, label: str = "network") -> GoldenTicket:
    return GoldenTicket(id=name, text=text, labels={"category": label})


def add(folder: Path, *tickets: GoldenTicket):
    return add_golden(folder, tickets, "anna", "settled by two leads", NOW)


def test_without_a_set_there_are_no_golden_tickets(tmp_path: Path) -> None:
    assert read_golden(tmp_path / "golden") == ()


def test_tickets_are_appended_masked_and_read_again(tmp_path: Path) -> None:
    assert add(tmp_path, make("1", "no  network, mail bob@example.org"))[:3] == (1, 0, 1)
    assert add(tmp_path, make("2", "no paper", "printer"))[:3] == (1, 0, 2)
    first, second = read_golden(tmp_path)
    assert "bob" not in first.text
    assert "no network" in first.text
    assert second.labels == {"category": "printer"}


def test_what_is_known_is_left_out_and_counted(tmp_path: Path) -> None:
    add(tmp_path, make("1", "No network!"))
    before = (tmp_path / SEAL).read_bytes()
    assert add(tmp_path, make("2", "no network"))[:3] == (0, 1, 1)
    assert (tmp_path / SEAL).read_bytes() == before


def test_a_golden_label_is_not_overwritten(tmp_path: Path) -> None:
    add(tmp_path, make("1", "no network"))
    with pytest.raises(ConflictError, match="not overwritten"):
        add(tmp_path, make("9", "new one"), make("2", "No network", "printer"))
    with pytest.raises(ConflictError, match="another golden ticket"):
        add(tmp_path, make("1", "something else"))
    with pytest.raises(DataError, match="nothing to read"):
        add(tmp_path, make("3", "\u200b"))
    assert len(read_golden(tmp_path)) == 1


def test_altered_tickets_are_refused(tmp_path: Path) -> None:
    add(tmp_path, make("1", "no network"))
    path = tmp_path / TICKETS
    whole = path.read_text()
    path.write_text(whole.replace("network", "printer"))
    with pytest.raises(DataError, match="altered"):
        read_golden(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="put the file back"):
        read_golden(tmp_path)
    path.write_text(whole)
    (tmp_path / SEAL).unlink()
    with pytest.raises(DataError, match="by a command only"):
        read_golden(tmp_path)


def test_tickets_whose_seal_was_never_written_do_not_count(tmp_path: Path) -> None:
    add(tmp_path, make("1", "no network"))
    with (tmp_path / TICKETS).open("a") as file:
        file.write(make("2", "no paper").model_dump_json() + "\n")
    assert [ticket.id for ticket in read_golden(tmp_path)] == ["1"]
    assert add(tmp_path, make("3", "no mouse")).tickets == 2
    assert [ticket.id for ticket in read_golden(tmp_path)] == ["1", "3"]


def test_candidates_are_read_and_faults_named(tmp_path: Path) -> None:
    path = tmp_path / "settled.jsonl"
    lines = [{"text": "no network", "labels": {"category": "network"}}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (ticket,) = read_candidates(path)
    assert len(ticket.id) == 16
    for wrong in ("no json", '{"labels": {}}', '{"text": "x", "labels": {}}', "[]"):
        path.write_text(f"{json.dumps(lines[0])}\n{wrong}\n")
        with pytest.raises(DataError, match="line 2"):
            read_candidates(path)
    with pytest.raises(DataError, match="FileNotFoundError"):
        read_candidates(tmp_path / "none.jsonl")


def test_labels_must_be_known() -> None:
    tickets = [make("1", "no network")]
    require_known_labels(tickets, {"category": ()})
    require_known_labels(tickets, {"category": ("network",)})
    with pytest.raises(DataError, match="no target"):
        require_known_labels(tickets, {"severity": ()})
    with pytest.raises(DataError, match="is not a category"):
        require_known_labels(tickets, {"category": ("printer",)})
