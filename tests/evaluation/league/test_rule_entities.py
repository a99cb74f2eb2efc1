"""The rules keep what they reached on the sample and on presidio's texts."""

import json
import os
from pathlib import Path

import pytest

from evaluation.league.rule_entities import (
    PRESIDIO,
    SAMPLE,
    RuleEntities,
    is_development,
    read_presidio,
    read_sample,
)
from models.entities import KINDS

ROOT = Path(__file__).parents[3]
SAMPLE_FOLDER = ROOT / "data/sample"
MIRROR = Path(os.environ.get("TICKETS_MIRROR", ROOT.parent / "shared/data"))
COARSE = f"{PRESIDIO}, coarse dates"
PRESIDIO_FOLDER = MIRROR / "presidio_synth"

ROWS = [
    {
        "full_text": "Call me at 541-714-1388 on Saturday",
        "template_id": 7,
        "spans": [
            {"start_position": 11, "end_position": 23, "entity_type": "PHONE_NUMBER"},
            {"start_position": 27, "end_position": 35, "entity_type": "DATE_TIME"},
        ],
    },
    {
        "full_text": "Anna sees https://a.example/x and 10.0.0.7",
        "template_id": 8,
        "spans": [
            {"start_position": 0, "end_position": 4, "entity_type": "PERSON"},
            {"start_position": 10, "end_position": 29, "entity_type": "DOMAIN_NAME"},
            {"start_position": 34, "end_position": 42, "entity_type": "IP_ADDRESS"},
        ],
    },
]


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "synth_dataset_v2.json").write_text(json.dumps(ROWS), encoding="utf-8")
    return {SAMPLE: SAMPLE_FOLDER, PRESIDIO: tmp_path}


def test_the_rules_find_98_in_100_of_the_sample_in_either_half(folders: dict[str, Path]) -> None:
    figures = {(one.split, one.metric): one for one in RuleEntities().run(folders, small=False)}
    for split in (SAMPLE, f"{SAMPLE}, development half", f"{SAMPLE}, other half"):
        figure = figures[split, "span_f1"]
        assert figure.value >= 0.98
        assert figure.ci is not None
        assert figure.ci[0] < figure.value < figure.ci[1]
    halves = [figures[f"{SAMPLE}, {half} half", "span_f1"].n for half in ("development", "other")]
    assert sum(halves) == figures[SAMPLE, "span_f1"].n
    assert {metric for split, metric in figures if split == SAMPLE} >= {
        f"span_f1, {kind}" for kind in KINDS
    }


def test_kinds_we_do_not_find_are_not_counted(folders: dict[str, Path]) -> None:
    figures = {(one.split, one.metric): one for one in RuleEntities().run(folders, small=True)}
    assert figures[COARSE, "span_f1"].n == 4  # not the person
    assert figures[COARSE, "span_f1"].value == 1
    assert figures[COARSE, "span_f1, DOMAIN_NAME"].value == 1


def test_the_weekday_is_missed_where_it_is_not_asked_for(folders: dict[str, Path]) -> None:
    figures = {(one.split, one.metric): one for one in RuleEntities().run(folders, small=True)}
    assert figures[f"{PRESIDIO}, days and times only", "span_recall"].value == 3 / 4


def test_the_halves_are_drawn_by_hash_and_about_equal() -> None:
    rows = read_sample(SAMPLE_FOLDER)
    share = sum(is_development(row.key) for row in rows) / len(rows)
    assert 0.45 < share < 0.55
    assert [is_development("S-0001"), is_development("S-0004")] == [True, False]


@pytest.mark.mirror
@pytest.mark.skipif(not PRESIDIO_FOLDER.is_dir(), reason="no mirror of the public data sets here")
def test_the_rules_find_95_in_100_on_presidios_texts() -> None:
    assert len(read_presidio(PRESIDIO_FOLDER)) == 1_500
    folders = {SAMPLE: SAMPLE_FOLDER, PRESIDIO: PRESIDIO_FOLDER}
    figures = {(one.split, one.metric): one for one in RuleEntities().run(folders, small=False)}
    assert figures[COARSE, "span_f1"].value >= 0.95
    assert figures[COARSE, "span_f1"].n == 311
