"""How bad it is: told where the text tells it, and left to a person where it does not."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from data.catalog import CATALOG, Dataset, read_catalog
from evaluation.league.priority import (
    ALONE,
    CHOSEN,
    COMMONEST,
    DIFFERENCE,
    EVIDENCE,
    FOLDS,
    SEVERITY_SAMPLE,
    Priority,
    adjust,
)
from evaluation.league.priority_figures import CHANCE, OVERCONFIDENCE, ece_by_chance
from evaluation.league.priority_tickets import Tickets, answer_by_folds, read_tickets
from models.linear import LinearMember

LEVELS = ("low", "middle", "high")
ENTRY = {"name": "own", "path": "tickets.jsonl", "text": "text", "id": "id"}


def write_tickets(folder: Path, n: int = 60) -> Dataset:
    """Tickets whose words tell the level, one a day."""
    words = {"low": "please look some day", "middle": "annoying slow", "high": "outage everywhere"}
    random = np.random.default_rng(1)
    rows = [
        {
            "id": f"{i:03}",
            "text": f"{words[LEVELS[i % 3]]} {' '.join(random.choice(list('abcdefgh'), 9))}{i}",
            "level": LEVELS[i % 3],
            "day": f"2026-0{1 + i // 28}-{1 + i % 28:02}",
        }
        for i in range(n)
    ]
    lines = "\n".join(map(json.dumps, rows))
    (folder / "tickets.jsonl").write_text(lines, encoding="utf-8")
    return Dataset(
        **ENTRY,
        targets={"level": "level"},
        labels={"level": LEVELS},
        ordered=("level",),
        time="day",
        split_by="time",
    )


def test_the_newest_fifth_is_test(tmp_path: Path) -> None:
    tickets = read_tickets(tmp_path, write_tickets(tmp_path), ("level",), 3)
    test, train = tickets.rows("test"), tickets.rows("train")
    assert len(test) == 12
    assert min(test) > max(train)
    assert set(tickets.fold[train]) == {0, 1, 2}
    assert tickets.classes["level"] == LEVELS
    assert set(tickets.truth("level")) == {0, 1, 2}


def test_fewer_tickets_are_spread_over_the_whole_time(tmp_path: Path) -> None:
    tickets = read_tickets(tmp_path, write_tickets(tmp_path), ("level",), 2, limit=20)
    assert len(tickets.texts) == 20
    assert any("57" in text for text in tickets.texts)
    assert any(text.endswith("0") for text in tickets.texts[:1])


def test_a_counted_word_is_repeated_five_times_at_most(tmp_path: Path) -> None:
    with (tmp_path / "counts.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(
            [["words", "level"], ["java:2 client:9 a:b:1", "x"], ["io:0", "y"]]
        )
    entry = Dataset(
        name="own",
        path="counts.csv",
        text="words",
        targets={"level": "level"},
        word_counts=True,
    )
    texts = read_tickets(tmp_path, entry, ("level",), 2).texts
    assert sorted(texts) == ["io", "java java client client client client client a:b"]


def test_no_train_row_is_answered_by_a_model_that_knows_it(tmp_path: Path) -> None:
    tickets = read_tickets(tmp_path, write_tickets(tmp_path), ("level",), 2)
    odd = tickets.rows("train")[0]
    tickets.texts[odd] = "nothing else says this"
    found = answer_by_folds(tickets, {"linear": LinearMember()})["level"]["linear"]
    np.testing.assert_allclose(found.sum(axis=1), 1)
    truth = tickets.truth("level")
    test = tickets.rows("test")
    assert (found[test].argmax(axis=1) == truth[test]).mean() > 0.9
    assert found[odd].max() < 0.6


def invented(tell: float) -> tuple[Tickets, dict[str, np.ndarray]]:
    """Tickets in which an outage is named: of the top level if `tell` is 1, of any if 0."""
    random = np.random.default_rng(5)
    truth = random.integers(0, 3, 300)
    told = np.where(random.random(300) < tell, truth == 2, random.random(300) < 0.3)
    tickets = Tickets(
        texts=["an outage" if one else "a thing" for one in told],
        groups=[str(i) for i in range(300)],
        split=np.array(["train", "train", "valid", "calibration", "test"] * 60),
        fold=np.arange(300, dtype=np.int8) % 3,
        labels={"level": [LEVELS[i] for i in truth]},
        classes={"level": LEVELS},
    )
    return tickets, {"level": np.full((300, 3), 1 / 3)}


def test_answers_are_adjusted_where_train_rows_speak_for_it() -> None:
    tickets, calibrated = invented(1.0)
    versions, choice = adjust(tickets, "level", calibrated)
    assert choice.gain.mean > 0
    np.testing.assert_array_equal(versions[CHOSEN], versions[EVIDENCE])
    top = tickets.truth("level") == 2
    assert versions[CHOSEN][top, 2].mean() > 0.6  # a third where nothing is heard


def test_answers_stay_as_they_are_where_evidence_tells_nothing() -> None:
    tickets, calibrated = invented(0.0)
    versions, choice = adjust(tickets, "level", calibrated)
    assert choice.adjustment is None
    np.testing.assert_array_equal(versions[CHOSEN], versions[ALONE])
    assert len(np.unique(versions[COMMONEST], axis=0)) == 1


def test_probabilities_of_other_targets_are_evidence() -> None:
    tickets, calibrated = invented(0.0)
    truth = tickets.truth("level")
    tickets.classes["mood"] = ("bad", "good")
    bad = np.where(truth == 2, 0.9, 0.1)
    versions, choice = adjust(tickets, "level", calibrated | {"mood": np.stack([bad, 1 - bad], 1)})
    assert choice.adjustment is not None
    assert choice.adjustment.weights()["mood=bad"] > 0
    assert versions[CHOSEN][truth == 2, 2].mean() > 0.6


@pytest.fixture(scope="module")
def figures() -> dict[tuple[str, str], float]:
    root = Path(__file__).parents[3]
    measured = SEVERITY_SAMPLE.run({"sample": root / "data/sample"}, small=True)
    for one in measured:
        assert one.ci is None or one.ci[0] <= one.value <= one.ci[1]
    return {(one.split, one.metric): one.value for one in measured}


def test_the_benchmark_tells_all_figures_of_every_version(figures) -> None:
    for split in (CHOSEN, ALONE, EVIDENCE, COMMONEST):
        for metric in ("accuracy", "macro_f1", "level_error", "ece", "certified_automation"):
            assert 0 <= figures[split, metric] <= 3
    assert figures[COMMONEST, "quadratic_kappa"] == 0
    assert (CHOSEN, "shared_texts") in figures


def test_the_difference_is_that_of_its_two_versions(figures) -> None:
    for metric in ("accuracy", "level_error", "log_loss"):
        expected = figures[EVIDENCE, metric] - figures[ALONE, metric]
        assert figures[DIFFERENCE, metric] == pytest.approx(expected)


def test_overconfidence_is_what_is_promised_beyond_what_is_kept(figures) -> None:
    # Sure of the commonest level as it was in train, right as often as it occurs in test.
    accuracy = figures[COMMONEST, "accuracy"]
    assert abs(figures[COMMONEST, OVERCONFIDENCE]) == pytest.approx(figures[COMMONEST, "ece"])
    assert 0 < figures[COMMONEST, OVERCONFIDENCE] + accuracy < 1


def test_calibration_is_told_beside_what_chance_makes_of_it(figures) -> None:
    assert abs(figures[FOLDS, OVERCONFIDENCE]) <= figures[FOLDS, "ece"] + 1e-9
    assert figures[FOLDS, CHANCE] < figures[CHOSEN, CHANCE]  # of more rows
    # As the docstring of `expected_calibration_error` has it.
    assert ece_by_chance(np.linspace(0.3, 1, 200)) == pytest.approx(0.079, abs=0.003)
    assert ece_by_chance(np.ones(9)) == 0


def test_a_level_nobody_is_sure_of_is_left_to_a_person(figures) -> None:
    assert figures[CHOSEN, "certified_automation"] == 0
    assert (CHOSEN, "automatic_accuracy") not in figures


def test_a_data_set_that_lists_no_levels_has_those_of_jira(tmp_path: Path) -> None:
    header = ["Key", "Priority", "SummaryTopWords", "DescriptionTopWords", "CreationDate"]
    levels = ["Major", "Minor", "Blocker"]
    rows = [
        [f"K-{i}", levels[i % 3], f"word{i}:1 sort{i % 3}:2", "more:1", f"2015-01-{1 + i // 12:02}"]
        for i in range(240)
    ]
    apache = Priority("apache-priority", ("apache-bugfix",), "priority", embedding=False)
    catalog = read_catalog(Path(__file__).parents[3] / CATALOG)
    for name in catalog["apache-bugfix"].tables:
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, delimiter=";")
            writer.writerows([header, *rows])
            rows = []
    measured = apache.run({"apache-bugfix": tmp_path}, small=True)
    accuracy = next(one.value for one in measured if one.metric == "accuracy")
    assert accuracy > 0.9
