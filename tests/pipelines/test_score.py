"""A file of any size is scored row by row, and gone on with where it was interrupted."""

import csv
import json
import logging
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

from data.errors import BundleError, DataError
from data.row_streams import RowSource
from data.schema import Candidate, Prediction, TargetPrediction, Ticket
from data.tables import Row
from models.deployment import Arm, Deployment
from models.publishing import FolderStore
from pipelines import score as command
from pipelines.score_checkpoint import checkpoint_of, partial_of
from pipelines.scored_rows import RowError, TicketColumns, output_columns, ticket_of
from pipelines.scoring import score

SECRET = "hunter2"
COLUMNS = TicketColumns(id="id")


class Rules:
    """Answers `printer` to whatever mentions one; stops or breaks when told to."""

    def __init__(self, version: str = "invented-0a1b2c3d") -> None:
        self.version = version
        self.targets: Mapping[str, tuple[str, ...]] = {"category": ("network", "printer")}
        self.asked: list[str] = []
        self.stops_at: int | None = None
        self.breaks_on: str | None = None

    def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        if self.stops_at is not None and len(self.asked) >= self.stops_at:
            raise KeyboardInterrupt
        if self.breaks_on and any(self.breaks_on in ticket.text for ticket in tickets):
            raise ValueError(f"cannot read {tickets[0].text}")
        self.asked += [ticket.full_text for ticket in tickets]
        return [self._answer(ticket) for ticket in tickets]

    def decide(self, tickets: Sequence[Ticket]) -> list[Prediction]:
        return [
            answer.model_copy(update={"tier": "linear", "sentiment": None})
            for answer in self.predict(tickets)
        ]

    def _answer(self, ticket: Ticket) -> Prediction:
        label = "printer" if "printer" in ticket.full_text else "network"
        shortlist = () if label == "printer" else (Candidate(label="network", probability=0.5),)
        answered = TargetPrediction(
            label=label,
            confidence=0.5,
            decision="auto" if label == "printer" else "review",
            reason="certified" if label == "printer" else "below_threshold",
            shortlist=shortlist,
        )
        return Prediction(
            ticket_id=ticket.id,
            bundle=self.version,
            fallback=True,
            language=ticket.language or "en",
            targets={"category": answered},
            sentiment=Candidate(label="calm", probability=0.9),
        )


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, rows: Sequence[Mapping[str, object]]) -> RowSource:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return RowSource(path)


@pytest.fixture
def many(tmp_path: Path) -> RowSource:
    return write_lines(
        tmp_path / "in.jsonl", [{"id": f"T-{i}", "text": f"printer {i}"} for i in range(20)]
    )


def test_every_row_is_answered_in_order(tmp_path: Path, many: RowSource) -> None:
    done = score(many, tmp_path / "out.jsonl", Rules(), COLUMNS, batch=3)
    assert (done.rows, done.errors, done.resumed) == (20, 0, 0)
    found = lines_of(tmp_path / "out.jsonl")
    assert [row["id"] for row in found] == [f"T-{i}" for i in range(20)]
    assert [row["row"] for row in found] == list(range(1, 21))
    assert found[0] == {
        "row": 1,
        "id": "T-0",
        "category": "printer",
        "category_confidence": 0.5,
        "category_decision": "auto",
        "category_reason": "certified",
        "category_shortlist": [],
        "language": "en",
        "sentiment": "calm",
        "novelty": None,
        "degraded": [],
        "bundle": "invented-0a1b2c3d",
        "error": None,
    }


def test_bad_rows_are_told_in_their_place_and_without_their_text(tmp_path: Path) -> None:
    source = write_lines(
        tmp_path / "in.jsonl",
        [
            {"id": "a", "text": "network"},
            {"id": "b", "text": "  "},
            {"id": "c", "text": SECRET * 10_000},
            {"id": "d", "text": [SECRET]},
            {"id": [SECRET], "text": "network"},
            {"id": "f"},
            {"id": "g", "text": f"{SECRET} \ud800"},
            {"id": 8, "text": "network"},
        ],
    )
    with source.path.open("a") as file:
        file.write(f"{SECRET}\n")
    done = score(source, tmp_path / "out.jsonl", Rules(), COLUMNS, batch=4)
    assert (done.rows, done.errors) == (9, 7)
    written = (tmp_path / "out.jsonl").read_text()
    assert SECRET not in written
    assert [(row["id"], row["error"]) for row in lines_of(tmp_path / "out.jsonl")] == [
        ("a", None),
        ("b", "empty_text: text"),
        ("c", "over_long: text: 70,000 characters, allowed 50,000"),
        ("d", "wrong_type: text: list, expected text"),
        (None, "wrong_type: id: list, expected text"),
        ("f", "empty_text: text"),
        ("g", "broken_encoding: text: bytes or code points that are no text"),
        ("8", None),
        (None, "malformed_row: not JSON"),
    ]


def test_a_text_that_breaks_the_model_leaves_its_neighbours_their_answers(
    tmp_path: Path, many: RowSource
) -> None:
    rules = Rules()
    rules.breaks_on = "printer 7"
    done = score(many, tmp_path / "out.jsonl", rules, COLUMNS, batch=20)
    assert done.errors == 1
    errors = {row["id"]: row["error"] for row in lines_of(tmp_path / "out.jsonl") if row["error"]}
    assert errors == {"T-7": "not_answered: ValueError"}


def test_subject_language_and_id_are_read_from_the_columns_named() -> None:
    columns = TicketColumns(text="body", subject="title", id="key", language="lang")
    row = Row("t", 1, {"body": "b ", "title": "t", "key": 7.0, "lang": "de-AT"})
    assert ticket_of(row, columns) == Ticket(id="7", subject="t", text="b ", language="de")
    bare = Row("t", 1, {"body": "b", "title": None, "key": float("nan"), "lang": ""})
    assert ticket_of(bare, columns) == Ticket(text="b")
    with pytest.raises(RowError, match="over_long: title: 1,001 characters, allowed 1,000"):
        ticket_of(Row("t", 1, {"body": "b", "title": "t" * 1_001}), columns)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_each_format_becomes_each_format(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({"id": [1, 2], "text": ["printer", None]})
    frame.to_csv(tmp_path / "in.csv", index=False)
    frame.to_parquet(tmp_path / "in.parquet")
    frame.to_json(tmp_path / "in.jsonl", orient="records", lines=True)
    for kind in ("csv", "parquet", "jsonl"):
        output = tmp_path / f"{kind}.{ending}"
        assert score(RowSource(tmp_path / f"in.{kind}"), output, Rules(), COLUMNS).rows == 2
        values = [row.values for row in RowSource(output).rows()]
        assert [str(row["id"]) for row in values] == ["1", "2"]
        assert values[0]["category"] == "printer"
        assert values[1]["error"] == "empty_text: text"


def test_a_csv_is_read_back_with_its_quotes(tmp_path: Path) -> None:
    awkward = ['a,"b"', "two\nlines", "a\rb", "=1+1"]
    source = write_lines(tmp_path / "in.jsonl", [{"id": i, "text": "x"} for i in awkward])
    score(source, tmp_path / "out.csv", Rules(), COLUMNS)
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == awkward


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_interrupted_run_goes_on_behind_the_last_chunk(
    tmp_path: Path, many: RowSource, ending: str
) -> None:
    whole, output = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
    score(many, whole, Rules(), COLUMNS, batch=4)
    first, second = Rules(), Rules()
    first.stops_at = 8
    with pytest.raises(KeyboardInterrupt):
        score(many, output, first, COLUMNS, batch=4)
    assert not output.exists()
    done = score(many, output, second, COLUMNS, batch=4)
    assert (done.rows, done.resumed) == (20, 8)
    assert second.asked == [f"printer {i}" for i in range(8, 20)]
    assert list(RowSource(output).rows()) == [
        Row(output.name, row.number, row.values) for row in RowSource(whole).rows()
    ]


def test_a_kill_in_the_middle_of_a_line_costs_only_what_was_not_safe(
    tmp_path: Path, many: RowSource
) -> None:
    output, first = tmp_path / "out.jsonl", Rules()
    first.stops_at = 8
    with pytest.raises(KeyboardInterrupt):
        score(many, output, first, COLUMNS, batch=4)
    with partial_of(output).open("a") as file:
        file.write('{"row": 9, "id": "T-')
    assert score(many, output, Rules(), COLUMNS).resumed == 8
    assert [row["row"] for row in lines_of(output)] == list(range(1, 21))


@pytest.mark.parametrize("what", ["input", "bundle", "settings"])
def test_another_input_bundle_or_setting_begins_anew(
    tmp_path: Path, many: RowSource, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    output, first, second = tmp_path / "out.jsonl", Rules(), Rules()
    first.stops_at = 8
    with pytest.raises(KeyboardInterrupt):
        score(many, output, first, COLUMNS, batch=4)
    columns = COLUMNS
    if what == "input":
        many = write_lines(many.path, [{"id": "x", "text": "other"} for _ in range(20)])
    elif what == "bundle":
        second.version = "invented-ffffffff"
    else:
        columns = TicketColumns(text="id", id="id")
    with caplog.at_level(logging.WARNING):
        done = score(many, output, second, columns, batch=4)
    assert (done.rows, done.resumed) == (20, 0)
    assert len(second.asked) == 20
    assert f"now there is another {what}: all is scored anew" in caplog.text


@pytest.mark.parametrize("content", ["", "[]", '{"rows": 1}', "{"])
def test_a_checkpoint_that_cannot_be_read_begins_anew(
    tmp_path: Path, many: RowSource, content: str
) -> None:
    checkpoint_of(tmp_path / "out.jsonl").write_text(content)
    done = score(many, tmp_path / "out.jsonl", Rules(), COLUMNS)
    assert (done.rows, done.resumed) == (20, 0)


def test_a_checkpoint_without_its_partial_file_begins_anew(tmp_path: Path, many: RowSource) -> None:
    output, first = tmp_path / "out.jsonl", Rules()
    first.stops_at = 8
    with pytest.raises(KeyboardInterrupt):
        score(many, output, first, COLUMNS, batch=4)
    partial_of(output).unlink()
    assert score(many, output, Rules(), COLUMNS).resumed == 0


def test_nothing_is_left_beside_a_whole_output(tmp_path: Path, many: RowSource) -> None:
    folder = tmp_path / "made" / "for-it"
    score(many, folder / "out.parquet", Rules(), COLUMNS)
    assert [path.name for path in folder.iterdir()] == ["out.parquet"]


def test_an_output_that_another_run_writes_is_refused(tmp_path: Path, many: RowSource) -> None:
    with (
        FileLock(tmp_path / ".out.jsonl.lock"),
        pytest.raises(DataError, match="being written by another run"),
    ):
        score(many, tmp_path / "out.jsonl", Rules(), COLUMNS)


def test_the_input_is_not_overwritten(many: RowSource) -> None:
    with pytest.raises(DataError, match=r"in\.jsonl is the input"):
        score(many, many.path, Rules(), COLUMNS)


def test_a_target_called_like_another_column_is_refused() -> None:
    with pytest.raises(DataError, match="both called 'bundle'"):
        output_columns(["category", "bundle"])
    assert output_columns(["sentiment"])["sentiment_decision"] == "text"


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    class Repeats(Rules):
        """Gives one answer to all and remembers nothing."""

        def predict(self, tickets: Sequence[Ticket]) -> list[Prediction]:
            return [given] * len(tickets)

    given = Rules()._answer(Ticket(text="a"))
    peaks = []
    for rows in (1_000, 10_000):
        path = tmp_path / f"{rows}.csv"
        with path.open("w") as file:
            file.write("text\n")
            file.writelines(f"{i}\n" for i in range(rows))
        tracemalloc.start()
        assert score(RowSource(path), tmp_path / "out.csv", Repeats(), TicketColumns()).rows == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # A hundred bytes kept of each row would be 900,000.
    assert peaks[1] < peaks[0] + 200_000, peaks


def test_the_champion_answers_unless_another_bundle_is_named(
    tmp_path: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path / "store")
    with pytest.raises(BundleError, match="names no champion"):
        command.find_bundle(None, store)
    store.add(sealed)
    version = next(path.name for path in store.root.iterdir())
    moment = "2026-11-23T08:00:00+00:00"
    store.deploy(
        Deployment.model_validate({"champion": Arm(version=version), "published_at": moment})
    )
    assert command.find_bundle(None, store) == store.root / version
    assert command.find_bundle(version, store) == store.root / version
    assert command.find_bundle(str(sealed), store) == sealed
    for other in ("nothing-00000000", "../etc"):
        with pytest.raises(BundleError, match="neither the folder of a bundle nor a published"):
            command.find_bundle(other, store)


def test_the_exit_status_tells_what_happened(
    tmp_path: Path, sealed: Path, many: RowSource, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = Rules()

    def run(*more: str) -> int:
        named = ["--bundle", str(sealed), "--batch", "4", *more]
        return command.main([str(many.path), str(tmp_path / "out.csv"), *named], lambda _: rules)

    rules.stops_at = 8
    assert run() == command.INTERRUPTED
    rules.stops_at = None
    rules.breaks_on = "printer 19"
    assert run() == command.SOME_ERRORS
    assert "20 rows, 1 errors, " in (told := capsys.readouterr().out)
    assert "rows/s, the first 8 in a former run; bundle invented-0a1b2c3d" in told
    rules.breaks_on = None
    assert run() == command.WHOLE
    assert run("--text", "body") == command.STOPPED
    assert command.main([str(tmp_path / "gone.csv"), "out.csv"], lambda _: rules) == command.STOPPED


def test_a_batch_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(["in.csv", "out.csv", "--batch", "0"])
    assert stopped.value.code == 2
    assert "--batch" in capsys.readouterr().err


def test_where_only_decisions_are_asked_for_the_tier_is_told(
    tmp_path: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"text": "printer"}, {"text": ""}])
    written = {}
    for detail in ("full", "decision"):
        output = tmp_path / f"{detail}.jsonl"
        arguments = [str(source.path), str(output), "--bundle", str(sealed), "--detail", detail]
        assert command.main(arguments, loaded=lambda folder: Rules()) == command.SOME_ERRORS
        written[detail] = lines_of(output)
    full, decided = written["full"], written["decision"]
    assert (full[0]["sentiment"], decided[0]["tier"]) == ("calm", "linear")
    assert "tier" not in full[0]
    assert "sentiment" not in decided[0]
    assert decided[1]["tier"] is None
    assert str(decided[1]["error"]).startswith("empty_text")
    assert list(output_columns(["sentiment"], "decision"))[-1] == "tier"


def test_a_run_that_asked_for_less_is_not_gone_on_with(tmp_path: Path, many: RowSource) -> None:
    rules = Rules()
    rules.stops_at = 8
    with pytest.raises(KeyboardInterrupt):
        score(many, tmp_path / "out.jsonl", rules, COLUMNS, batch=4)
    rules.stops_at = None
    done = score(many, tmp_path / "out.jsonl", rules, COLUMNS, batch=4, detail="decision")
    assert done.resumed == 0
