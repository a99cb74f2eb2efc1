"""The ablation measures both ways on the same rows."""

import csv
from pathlib import Path

import numpy as np
import pytest

from data.catalog import CATALOG, read_catalog
from data.split import assign_folds
from evaluation.league.glossary import SAMPLE, SERVICE, GlossaryAblation, Rows, ablate

ROOT = Path(__file__).parents[3]


def rows(n: int = 120) -> Rows:
    """In train two teams write out what they mean; the short forms are new in test."""
    long = ("virtual private network", "solid state drive")
    short = ("vpn", "ssd")
    texts = [f"{(long if i < n // 2 else short)[i % 2]} {i}" for i in range(n)]
    labels = [("network", "storage")[i % 2] for i in range(n)]
    return Rows(texts, labels, [str(i) for i in range(n)], [None] * n)


def test_expansion_helps_where_short_forms_are_new() -> None:
    parts = [(np.arange(60), np.arange(60, 120))]
    found = {(one.split, one.metric): one for one in ablate("own", rows(), parts)}
    gain = found["own, with less without expansion", "accuracy"]
    with_it = found["own, with expansion", "accuracy"].value
    assert with_it == 1
    assert gain.value == pytest.approx(with_it - found["own, without expansion", "accuracy"].value)
    assert gain.ci is not None
    assert gain.ci[0] > 0
    assert found["own", "expanded texts"].value == 1
    assert found["own", "shared_texts"].value == 0


def test_what_train_texts_define_is_used_too() -> None:
    invented = rows()
    for i in range(60):
        invented.texts[i] = f"a Zone Qualified Key (ZQK) {i}"
    parts = [(np.arange(60), np.arange(60, 120))]
    found = {(one.split, one.metric): one.value for one in ablate("own", invented, parts)}
    assert found["own", "learned definitions"] == 1


def test_folds_are_measured_together() -> None:
    folds = assign_folds([str(i) for i in range(120)], rows().labels, ["train"] * 120, 3, 0)
    parts = [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in range(3)]
    found = {(one.split, one.metric): one for one in ablate("own", rows(), parts)}
    assert found["own, with expansion", "accuracy"].n == 120


def test_the_benchmark_runs_on_the_published_split(tmp_path: Path) -> None:
    entry = read_catalog(ROOT / CATALOG)[SERVICE]
    published = entry.published["luna"]["test"]
    assert published.rows is not None
    kinds = ("vpn down", "new laptop")
    texts = [(f"{kinds[i % 2]} {i}", f"team {i % 2}") for i in range(published.rows + 300)]
    header = ("Document", "Topic_group")
    for name, part in ((entry.tables[0], texts), (published.file, texts[: published.rows])):
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([header, *part])
    folders = {SERVICE: tmp_path, SAMPLE: ROOT / "data/sample"}
    figures = GlossaryAblation().run(folders, small=True)
    splits = {one.split for one in figures}
    assert {"sample, 2 folds, with expansion", "luna test, 200 train rows"} <= splits
    assert all(one.ci is None or one.ci[0] <= one.value <= one.ci[1] for one in figures)
