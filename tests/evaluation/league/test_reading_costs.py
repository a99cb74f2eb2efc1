"""What parts cost is told in milliseconds and as shares of the spine."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from data.catalog import CATALOG, read_catalog
from data.errors import BundleError
from evaluation.costs import one_thread
from evaluation.league.reading_costs import SAMPLE, SERVICE, ReadingCosts, summarise
from evaluation.league.reading_parts import SPINE, TOTAL

ROOT = Path(__file__).parents[3]
ALWAYS = {SPINE, TOTAL, "language", "entities", "words"}


def test_figures_are_medians_and_shares_of_the_spine() -> None:
    taken = {
        SPINE: np.array([9.0, 10, 11]),
        "words": np.array([1.0, 2, 3]),
        TOTAL: np.array([12.0, 13, 14]),
    }
    found = {one.metric: one for one in summarise("own", taken)}
    assert next(iter(found)) == "added_share"
    assert {name: one.value for name, one in found.items()} == {
        "added_share": pytest.approx(0.3),
        "spine_ms": 10,
        "words_ms": 2,
        "total_ms": 13,
        "words_share": pytest.approx(0.2),
    }
    assert found["words_ms"].ci == (1, 3)
    assert {one.n for one in found.values()} == {3}


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_without_a_bundle_it_says_what_to_do(tmp_path: Path) -> None:
    folders = {SERVICE: tmp_path, SAMPLE: ROOT / "data/sample"}
    with pytest.raises(BundleError, match="run `make` first"):
        ReadingCosts(tmp_path / "candidate").run(folders, small=False)


def test_the_benchmark_runs_in_seconds_without_a_bundle(tmp_path: Path) -> None:
    entry = read_catalog(ROOT / CATALOG)[SERVICE]
    published = entry.published["luna"]["test"]
    assert published.rows is not None
    texts = [(f"laptop {i} does not start", "Hardware") for i in range(published.rows)]
    for name in (entry.tables[0], published.file):
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("Document", "Topic_group"), *texts])
    folders = {SERVICE: tmp_path, SAMPLE: ROOT / "data/sample"}
    figures = ReadingCosts(tmp_path / "none").run(folders, small=True)
    for split in (SERVICE, SAMPLE):
        found = {one.metric: one for one in figures if one.split == f"{split}, torch"}
        assert {f"{name}_ms" for name in ALWAYS} | {"added_share"} <= set(found)
        assert all(one.n == 8 and one.ci is not None for one in found.values())
