"""What a query finds stands in the file, whatever the form."""

import csv
import gc
import json
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.errors import DataError
from data.export import COLUMNS, export
from data.store import Answered, Query
from tests.stores import LABELS, NOON, MemoryStore, make_feedback, make_prediction


@pytest.fixture
def store() -> MemoryStore:
    """Two predictions of two targets, and one of none."""
    made = MemoryStore()
    made.know_bundle("bundle-1", LABELS)
    made.add_predictions(
        [
            make_prediction(1, text='says "no",\r\nthen ü', customer="c", cost={"category": 0.5}),
            make_prediction(
                2, text="=1+1", audit=True, explicit=True, beside="told",
                labels={"category": "printer"},
            ),
            make_prediction(3, labels={}),
        ]
    )  # fmt: skip
    made.add_feedback(
        [
            make_feedback("a", 1, author="ann"),
            make_feedback("b", 1, verdict="correct", label="printer", at=NOON + timedelta(hours=2)),
        ]
    )
    return made


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_json_lines_hold_all_that_is_known(store: MemoryStore, tmp_path: Path) -> None:
    path = tmp_path / "made" / "all.jsonl"
    assert export(store, Query(), path) == 3
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [Answered.model_validate_json(line) for line in lines] == list(store.stream(Query()))


def test_csv_holds_a_row_for_each_target_with_what_was_said_last(
    store: MemoryStore, tmp_path: Path
) -> None:
    path = tmp_path / "all.csv"
    assert export(store, Query(), path) == 3
    rows = read_csv(path)
    assert list(rows[0]) == list(COLUMNS)
    assert [(int(row["id"], 16), row["target"]) for row in rows] == [
        (1, "category"), (1, "severity"), (2, "category"),
    ]  # fmt: skip
    first = rows[0]
    assert first["text"] == 'says "no",\r\nthen ü'
    assert first["at"] == "2026-11-25T12:00:01+00:00"
    assert (first["verdict"], first["right_label"], first["status"]) == (
        "correct", "printer", "accepted",
    )  # fmt: skip
    assert (first["customer"], first["cost"], first["audit"]) == ("c", "0.5", "false")
    assert [(row["explicit"], row["beside"]) for row in rows] == [
        ("false", ""), ("false", ""), ("true", "told"),
    ]  # fmt: skip
    assert rows[1]["verdict"] == rows[1]["cost"] == rows[1]["said_at"] == ""


def test_a_spreadsheet_computes_no_text_of_a_customer(store: MemoryStore, tmp_path: Path) -> None:
    export(store, Query(ticket_id="t-2"), tmp_path / "one.csv")
    assert read_csv(tmp_path / "one.csv")[0]["text"] == "'=1+1"


def test_parquet_holds_values_of_their_kind(store: MemoryStore, tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"
    assert export(store, Query(), path) == 3
    rows = pq.read_table(path).to_pylist()
    assert [row["text"] for row in rows][1:] == ['says "no",\r\nthen ü', "=1+1"]
    assert rows[0]["at"] == NOON + timedelta(seconds=1)
    assert rows[0]["said_at"] == NOON + timedelta(hours=2)
    assert [row["audit"] for row in rows] == [False, False, True]
    assert rows[1]["verdict"] is rows[1]["cost"] is None


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_only_what_is_asked_for_is_exported(
    store: MemoryStore, tmp_path: Path, ending: str
) -> None:
    assert export(store, Query(audit=True), tmp_path / f"some.{ending}") == 1
    assert export(store, Query(language="xx"), tmp_path / f"none.{ending}") == 0
    assert (tmp_path / f"none.{ending}").exists()


def test_another_ending_is_refused(store: MemoryStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.csv, \.jsonl, \.parquet"):
        export(store, Query(), tmp_path / "all.xlsx")


class BrokenStore(MemoryStore):
    """A store that goes away after the first row."""

    def stream(self, query: Query) -> Iterator[Answered]:
        yield next(super().stream(query))
        raise DataError("gone")


def test_an_export_that_breaks_off_leaves_the_former_file(
    store: MemoryStore, tmp_path: Path
) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text("former")
    broken = BrokenStore()
    broken.predictions = store.predictions
    with pytest.raises(DataError, match="gone"):
        export(broken, Query(), path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("all.jsonl", "former")
    ]


class EndlessStore(MemoryStore):
    """As many predictions as are asked for, none kept."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def stream(self, query: Query) -> Iterator[Answered]:
        for number in range(self.number):
            yield Answered(stored=make_prediction(number, text=f"{number} " * 500))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_ten_times_the_rows_take_no_more_memory(tmp_path: Path, ending: str) -> None:
    peaks = []
    export(EndlessStore(10), Query(), tmp_path / f"first.{ending}")  # what is made once, is
    for number in (300, 3000):
        gc.collect()
        tracemalloc.start()
        export(EndlessStore(number), Query(), tmp_path / f"{number}.{ending}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # All rows together are over 10 MB; other threads of the process come to tens of kB.
    assert peaks[1] < peaks[0] + 1_000_000


def test_parquet_is_written_group_by_group(tmp_path: Path) -> None:
    export(EndlessStore(3000), Query(), tmp_path / "many.parquet")
    with pq.ParquetFile(tmp_path / "many.parquet") as file:
        assert file.metadata.num_rows == 6000
        assert file.num_row_groups > 5


def test_a_line_of_json_says_what_json_says(store: MemoryStore, tmp_path: Path) -> None:
    export(store, Query(ticket_id="t-1"), tmp_path / "one.jsonl")
    told = json.loads((tmp_path / "one.jsonl").read_text(encoding="utf-8"))
    assert [given["key"] for given in told["feedback"]] == ["a", "b"]
