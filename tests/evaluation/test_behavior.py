"""The suites catch an assistant that misbehaves, and let one pass that does not."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.behavior import run_behavior
from evaluation.suites import BehaviorReport, Cases, Direction, Functionality, Suites

CLASSES = ("network", "printer")
Scorer = Callable[[str], float]


class Scored:
    """An assistant whose probability of `printer` is a function of the text."""

    targets: Mapping[str, tuple[str, ...]]

    def __init__(self, score: Scorer, targets: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.score = score
        self.targets = targets or {"topic": CLASSES}

    def predict_proba(self, texts: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        assert texts, "members refuse to be idle"
        column = np.array([self.score(text) for text in texts])
        return {target: np.column_stack([1 - column, column]) for target in self.targets}


def by_words(text: str) -> float:
    words = text.lower().split()
    lead = words.count("printer") - words.count("network")
    return float(1 / (1 + np.exp(-lead)))


TEXTS = ["printer printer broken", "network network broken", "printer printer jam", "the network"]
LABELS: dict[str, list[str | None]] = {"topic": ["printer", "network", "printer", None]}


def run(assistant: Scored, dataset: str = "ours", **changes: object) -> BehaviorReport:
    suites = Suites.model_validate(
        {
            "tickets": 4,
            "invariance": {"in capitals": 1.0},
            "evidence": 1.0,
            "minimum_functionality": 1.0,
            "direction": 1.0,
            "odd_texts": ("?",),
            "datasets": {
                "ours": Cases(
                    minimum_functionality=(
                        Functionality(target="topic", text="printer jam", expect=("printer",)),
                    ),
                    direction=(
                        Direction(target="topic", text="hm", add="network", labels=("network",)),
                        Direction(
                            target="topic",
                            text="hm",
                            add="network",
                            labels=("printer",),
                            goes="down",
                        ),
                    ),
                )
            },
            **changes,
        }
    )
    ids = [f"t{row}" for row in range(4)]
    return run_behavior(assistant, suites, dataset, ids, TEXTS, LABELS, seed=1)


def verdicts(report: BehaviorReport) -> dict[str, bool | None]:
    return {outcome.name: outcome.passed for outcome in report.outcomes}


def test_an_assistant_that_reads_words_passes() -> None:
    report = run(Scored(by_words))
    assert report.passed, verdicts(report)
    assert all(outcome.cases for outcome in report.outcomes)


def test_one_that_minds_capitals_fails_and_its_tickets_are_named_by_id() -> None:
    report = run(Scored(lambda text: 0.9 if text.isupper() else by_words(text)))
    capitals = report.outcomes[0]
    assert capitals.passed is False
    assert set(capitals.failing) <= {"t0", "t1", "t2", "t3"}


def test_one_that_follows_the_first_word_ignores_the_evidence() -> None:
    report = run(Scored(lambda text: 0.9 if text.startswith("printer") else 0.1))
    assert verdicts(report)["another class's ticket appended"] is False
    assert verdicts(report)["words that speak for a class"] is False


def test_one_that_knows_a_single_answer_fails_the_plain_tickets() -> None:
    assert verdicts(run(Scored(lambda text: 0.1)))["plain tickets of each class"] is False


def test_an_answer_that_is_no_distribution_fails() -> None:
    broken = run(Scored(lambda text: float("nan") if text == "?" else by_words(text)))
    assert verdicts(broken)["odd text still answered"] is False


@pytest.mark.parametrize("targets", [{"mood": ("bad", "good")}, {"topic": ("heating", "plumbing")}])
def test_cases_of_another_taxonomy_are_skipped_and_counted(
    targets: dict[str, tuple[str, ...]],
) -> None:
    report = run(Scored(by_words, targets))
    skipped = {o.name: o.skipped for o in report.outcomes if o.target == "topic" and not o.cases}
    assert skipped["plain tickets of each class"] == 1
    assert skipped["words that speak for a class"] == 2
    assert report.passed


def test_another_data_set_has_no_labelled_cases() -> None:
    names = verdicts(run(Scored(by_words), dataset="theirs"))
    assert "plain tickets of each class" not in names
    assert "in capitals" in names


def test_a_change_that_applies_to_no_ticket_is_skipped() -> None:
    report = run(Scored(by_words), invariance={"sentences reversed": 1.0}, odd_texts=())
    assert (report.outcomes[0].cases, report.outcomes[0].skipped) == (0, 4)
    assert report.outcomes[0].passed is None
