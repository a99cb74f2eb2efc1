"""Several processes answer as one would, in order, and tell what went wrong in one of them."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from data.errors import BundleError, ModelError
from data.machine import usable_cores
from data.row_streams import RowSource
from data.schema import Prediction, TargetPrediction, Ticket
from pipelines.score_workers import WORTH_BYTES, Workers, default_count
from pipelines.scored_rows import TicketColumns
from pipelines.scoring import Loader, score

COLUMNS = TicketColumns(id="id")
VERSION = "invented-0a1b2c3d"
TARGETS: Mapping[str, tuple[str, ...]] = {"queue": ("a", "b")}


class ByLength:
    """Texts of an even length are of class a; `die` ends the process, `break` fails."""

    version = VERSION
    targets = TARGETS

    def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        if any("die" in ticket.text for ticket in tickets):
            os.kill(os.getpid(), signal.SIGKILL)
        if any("break" in ticket.text for ticket in tickets):
            raise ValueError("broken")
        return [self._answer(ticket) for ticket in tickets]

    decide = predict

    def _answer(self, ticket: Ticket) -> Prediction:
        answer = TargetPrediction(
            label="ab"[len(ticket.text) % 2],
            confidence=0.9,
            decision="auto",
            reason="certified",
            shortlist=(),
        )
        return Prediction(
            ticket_id=ticket.id, bundle=VERSION, fallback=False, language="en",
            targets={"queue": answer},
        )  # fmt: skip


def load_by_length(folder: Path) -> ByLength:
    return ByLength()


def load_nothing(folder: Path) -> ByLength:
    raise BundleError(f"{folder.name} is altered")


def workers(folder: Path, loaded: Loader = load_by_length) -> Workers:
    return Workers(folder, VERSION, TARGETS, COLUMNS, "full", 2, loaded)


def source_of(folder: Path, texts: Sequence[str]) -> RowSource:
    path = folder / "in.jsonl"
    rows = [json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(texts)]
    path.write_text("".join(rows), encoding="utf-8")
    return RowSource(path)


def test_two_processes_answer_as_one_does(tmp_path: Path) -> None:
    source = source_of(tmp_path, ["x" * (1 + i % 7) for i in range(40)] + ["", "break"])
    alone, together = tmp_path / "alone.jsonl", tmp_path / "together.jsonl"
    first = score(source, alone, ByLength(), COLUMNS, batch=3)
    second = score(source, together, workers(tmp_path), COLUMNS, batch=3)
    assert alone.read_bytes() == together.read_bytes()
    assert (first.rows, first.errors) == (second.rows, second.errors) == (42, 2)


def test_a_bundle_that_cannot_be_opened_tells_its_reason(tmp_path: Path) -> None:
    source = source_of(tmp_path, ["one", "two"])
    with pytest.raises(BundleError, match="is altered"):
        score(source, tmp_path / "out.jsonl", workers(tmp_path, load_nothing), COLUMNS)
    assert not (tmp_path / "out.jsonl").exists()


def test_a_process_that_ends_unasked_is_told_and_what_was_whole_is_kept(tmp_path: Path) -> None:
    source = source_of(tmp_path, ["fine"] * 30 + ["die"] + ["fine"] * 5)
    output = tmp_path / "out.jsonl"
    with pytest.raises(ModelError, match="fewer --workers goes on"):
        score(source, output, workers(tmp_path), COLUMNS, batch=2)
    (tmp_path / "in.jsonl").touch()
    done = score(source, output, _Unafraid(), COLUMNS, batch=2)
    assert done.rows == 36
    assert done.resumed > 0


class _Unafraid(ByLength):
    def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        return [self._answer(ticket) for ticket in tickets]

    decide = predict


def test_a_small_file_is_not_worth_a_second_process(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"x")
    large.write_bytes(b"x" * WORTH_BYTES)
    assert default_count(small) == 1
    assert default_count(large) == usable_cores() >= 1
