"""A later report is asked about, the earlier ones it repeats are wanted, and test stays unseen."""

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.league import duplicates
from evaluation.league.duplicates import DuplicateReports, rank_scores, score_pairs, serve
from evaluation.league.gitbugs import find_file, read_pairs, read_reports

MIRROR = Path(os.environ.get("TICKETS_MIRROR", Path(__file__).parents[3].parent / "shared/data"))
needs_mirror = pytest.mark.skipif(
    not (MIRROR / "gitbugs_hadoop").is_dir(), reason="no mirror of the public data sets here"
)

SUBJECTS = ("disk full", "login fails", "slow shuffle", "broken link", "javadoc", "flaky test")


class Letters:
    """An encoder that counts letters."""

    def encode(self, texts: list[str]) -> np.ndarray:
        counts = [[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts]
        return np.array(counts, dtype=np.float32) + 0.01


def write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pairs, the later report 10 years after the earlier one; the file runs backwards."""
    rows = []
    for n, subject in enumerate(SUBJECTS):
        rows.append([f"{subject} again", str(200 + n), "Duplicate", f"0{n + 1}/Jan/21 10:00", "x"])
        rows.append([subject, str(100 + n), "Fixed", f"0{n + 1}/Jan/11 10:00", "y"])
    header = ["Summary", "Issue id", "Resolution", "Created", "Description"]
    write(tmp_path / "hadoop_bugs.csv", header, rows[::-1])
    pairs = [[str(100 + n), str(200 + n)] for n in range(6)]
    header = ["Issue id", "Duplicate id"]
    write(tmp_path / "hadoop_bugs-combined.csv", header, [*pairs, *(p[::-1] for p in pairs)])
    write(tmp_path / "hadoop_bugs-train.csv", header, pairs[:4])
    write(tmp_path / "hadoop_bugs-test.csv", header, [p[::-1] for p in pairs[3:]])
    return tmp_path


def test_reports_stand_in_order_of_time(folder: Path) -> None:
    reports = read_reports(find_file(folder.parent, "hadoop_bugs.csv"))
    assert [report.id for report in reports] == [
        *map(str, range(100, 106)),
        *map(str, range(200, 206)),
    ]
    assert reports[0].summary == "disk full"
    assert reports[0].text == "disk full\ny"


def test_a_pair_is_one_whichever_way_round_it_is_told(tmp_path: Path) -> None:
    write(tmp_path / "p.csv", ["Issue id", "Duplicate id"], [["1", "2"], ["2", "1"], ["3", "1, 4"]])
    assert read_pairs(tmp_path / "p.csv") == {frozenset(p) for p in ("12", "31", "34")}


def test_recall_and_reciprocal_rank_are_those_of_the_definition() -> None:
    assert rank_scores([7, 3, 5], [7]) == [1, 1, 1, 1]
    assert rank_scores([7, 3, 5], [5]) == [0, 1, 1, pytest.approx(1 / 3)]
    assert rank_scores(range(20), [1, 8]) == [0, 0.5, 1, 0.5]
    assert rank_scores(range(20), [10]) == [0, 0, 0, pytest.approx(1 / 11)]


def test_later_reports_are_left_out_where_only_earlier_ones_count() -> None:
    rankings = {2: [3, 1, 0]}
    assert score_pairs(rankings, [(1, 2)])[0, 0] == 1
    assert score_pairs(rankings, [(1, 2)], earlier=False)[0].tolist() == [0, 1, 1, 0.5]


def test_a_report_with_two_duplicates_is_one_query() -> None:
    scores = score_pairs({5: [4, 0, 1, 2, 3]}, [(0, 5), (4, 5)])
    assert scores.tolist() == [[0.5, 1, 1, 1]]


def test_the_benchmark_chooses_on_pairs_that_test_does_not_hold(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "EmbeddingMember", Letters)
    known: list[list[tuple[int, int]]] = []
    original = duplicates.score_pairs

    def listen(rankings, pairs, *, earlier=None):
        if earlier is None:
            known.append(list(pairs))
            return original(rankings, pairs)
        return original(rankings, pairs, earlier=earlier)

    monkeypatch.setattr(duplicates, "score_pairs", listen)
    figures = DuplicateReports().run({"gitbugs-hadoop": folder}, small=False)
    assert set(map(tuple, known)) == {((0, 6), (1, 7), (2, 8))}
    by_name = {(figure.split, figure.metric): figure for figure in figures}
    assert by_name["test", "pairs_in_train"].value == 1
    assert by_name["test", "recall_at_10"].n == 3
    assert by_name["all", "recall_at_10"].n == 6
    assert by_name["all", "recall_at_10"].value == 1
    assert by_name["all", "shared_texts"].value == 0
    assert all(f.ci for f in figures if f.metric.startswith(("recall", "mrr")))
    again = DuplicateReports().run({"gitbugs-hadoop": folder}, small=False)
    assert again == figures


def test_the_product_ranks_by_what_was_known_on_that_day(folder: Path) -> None:
    reports = read_reports(folder / "hadoop_bugs.csv")
    vectors = Letters().encode([report.text for report in reports])
    then = serve(reports, vectors, [6, 8], earlier=True)
    assert {query: sorted(ranking) for query, ranking in then.items()} == {
        6: list(range(6)),
        8: list(range(8)),
    }
    assert (then[6][0], then[8][0]) == (0, 2)
    rewritten = [r if n <= 6 else replace(r, text="disk") for n, r in enumerate(reports)]
    assert serve(rewritten, vectors, [6], earlier=True)[6] == then[6]
    assert len(serve(reports, vectors, [6], earlier=False)[6]) == 11


@pytest.mark.mirror
@needs_mirror
def test_the_published_pairs_are_those_that_were_counted() -> None:
    folder = MIRROR / "gitbugs_hadoop"
    with (folder / "hadoop_bugs.csv").open(encoding="utf-8", newline="") as file:
        ids = {row["Issue id"] for row in csv.DictReader(file)}
    train, test, every = (
        read_pairs(folder / f"hadoop_bugs-{part}.csv") for part in ("train", "test", "combined")
    )
    assert (len(test), len(test & train), len(train - test), len(every)) == (24, 19, 42, 66)
    assert train | test == every
    assert all(pair <= ids for pair in every)
