"""A local cluster answers as one process does, each part once, whatever is lost on the way."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.errors import DataError, ModelError
from data.row_streams import RowSource
from models.manifest import read_manifest
from pipelines import score as command
from pipelines.ray_cluster import cluster
from pipelines.score_parts import BATCHES, SUCCESS
from pipelines.score_ray import score_on_ray
from pipelines.scored_rows import TicketColumns
from pipelines.scoring import score
from tests.pipelines.ray_fakes import DIES, STOPS, Keywords, OfAnotherBundle
from tests.pipelines.test_score import write_lines

COLUMNS = TicketColumns(id="id")
BATCH = 2
ROWS = 5 * BATCHES * BATCH - 3


@pytest.fixture(scope="module", autouse=True)
def two_workers() -> Iterator[None]:
    with cluster("local", 2):
        yield


def source_of(place: Path, at: int = 0, text: str = "printer") -> RowSource:
    """Tickets of which one has a text of its own, and one in ten none."""
    texts = [f"printer {i}" if i % 10 else "" for i in range(ROWS)]
    texts[at] = text
    rows = [{"id": f"T-{i}", "text": one} for i, one in enumerate(texts)]
    return write_lines(place / "in.jsonl", rows)


def values_of(output: Path) -> list[dict[str, object]]:
    files = sorted(output.glob("part-*")) if output.is_dir() else [output]
    return [dict(row.values) for file in files for row in RowSource(file).rows()]


def test_a_cluster_gives_the_answers_of_one_process(tmp_path: Path, sealed: Path) -> None:
    source = source_of(tmp_path)
    alone = score(source, tmp_path / "one.parquet", Keywords(sealed), COLUMNS, BATCH)
    output = tmp_path / "many.parquet"
    done = score_on_ray(source, output, sealed, COLUMNS, BATCH, loaded=Keywords)
    assert (done.rows, done.errors, done.resumed) == (ROWS, alone.errors, 0)
    assert values_of(output) == values_of(tmp_path / "one.parquet")
    assert (output / SUCCESS).exists()
    written = [path.stat().st_mtime_ns for path in sorted(output.iterdir())]
    again = score_on_ray(source, output, sealed, COLUMNS, BATCH, loaded=Keywords)
    assert (again.rows, again.errors, again.resumed) == (ROWS, done.errors, ROWS)
    assert [path.stat().st_mtime_ns for path in sorted(output.glob("part-*"))] == written[2:]


def test_a_worker_that_dies_costs_no_row_and_repeats_none(tmp_path: Path, sealed: Path) -> None:
    source = source_of(tmp_path, at=70, text=DIES)
    output = tmp_path / "out.jsonl"
    done = score_on_ray(source, output, sealed, COLUMNS, BATCH, loaded=Keywords)
    assert (sealed.parent / "died").exists()
    assert done.rows == ROWS
    assert [row["row"] for row in values_of(output)] == list(range(1, ROWS + 1))
    assert not list(output.glob(".*"))


def test_a_run_that_gave_up_goes_on_with_what_is_missing(
    tmp_path: Path, sealed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = source_of(tmp_path, at=ROWS - 1, text=STOPS)
    output = tmp_path / "out.csv"
    with pytest.raises(ModelError, match="a part failed: OSError") as told:
        score_on_ray(source, output, sealed, COLUMNS, BATCH, loaded=Keywords, workers=1)
    assert STOPS not in str(told.value) + capfd.readouterr().err
    assert not (output / SUCCESS).exists()
    there = {path.name: path.stat().st_mtime_ns for path in output.glob("part-*")}
    assert 0 < len(there) < 5
    done = score_on_ray(source, output, sealed, COLUMNS, BATCH, loaded=Keywords)
    assert done.rows == ROWS and done.resumed == len(there) * BATCHES * BATCH
    assert [str(row["row"]) for row in values_of(output)] == [str(i + 1) for i in range(ROWS)]
    assert {name: (output / name).stat().st_mtime_ns for name in there} == there


def test_a_worker_that_finds_another_bundle_answers_nothing(tmp_path: Path, sealed: Path) -> None:
    output = tmp_path / "out.csv"
    with pytest.raises(ModelError, match="holds another-ffffffff there"):
        score_on_ray(source_of(tmp_path), output, sealed, COLUMNS, BATCH, loaded=OfAnotherBundle)
    assert not list(output.glob("part-*"))


def test_the_command_writes_decisions_into_a_folder(
    tmp_path: Path, sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = source_of(tmp_path)
    output = tmp_path / "out.jsonl"
    arguments = [str(source.path), str(output), "--bundle", str(sealed), "--batch", str(BATCH),
                 "--id", "id", "--engine", "ray", "--detail", "decision"]  # fmt: skip
    assert command.main(arguments, Keywords) == command.SOME_ERRORS
    told = capsys.readouterr().out
    assert f"{ROWS} rows, " in told and f"bundle {read_manifest(sealed).version}" in told
    tiers = {row["tier"] for row in values_of(output) if row["error"] is None}
    assert tiers == {"linear"}
    made = json.loads((output / "_made_of.json").read_text())
    assert made["bundle"] == read_manifest(sealed).version


def test_where_ray_is_not_installed_it_is_said(
    tmp_path: Path,
    sealed: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "pipelines.score_ray")
    arguments = [str(source_of(tmp_path).path), str(tmp_path / "out.csv")]
    arguments += ["--bundle", str(sealed), "--engine", "ray"]
    assert command.main(arguments, Keywords) == command.STOPPED
    assert "ray is not installed" in caplog.text


def test_an_output_that_is_a_file_is_refused(tmp_path: Path, sealed: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(DataError, match=r"out\.csv is a file"):
        score_on_ray(
            source_of(tmp_path), tmp_path / "out.csv", sealed, COLUMNS, BATCH, loaded=Keywords
        )
