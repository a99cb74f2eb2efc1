"""Tone must not move a queue, and what is read beside the targets is told with its figures."""

from collections.abc import Callable, Sequence

import numpy as np

from evaluation.behavior import run_behavior
from evaluation.card import render_card
from evaluation.files import Evaluation, metrics_of
from evaluation.report import render_report
from evaluation.suites import Suites
from evaluation.transformations import TONES, TRANSFORMATIONS

READERS = {
    "sentiment": {
        "dataset": "posts <b>",
        "fallback": True,
        "rows": 3098,
        "figures": {"macro_f1": 0.8712, "accuracy": 0.87, "ece": 0.03},
        "intervals": {"macro_f1": (0.8512, 0.8898)},
        "test_rows": 1326,
    },
    "tagger": {
        "dataset": "sentences",
        "fallback": False,
        "rows": 12199,
        "figures": {"span_f1": 0.6123},
        "intervals": {},
        "test_rows": 3882,
    },
}


class Moody:
    """Sends what sounds angry elsewhere; its other target is the tone itself."""

    def __init__(self) -> None:
        self.targets = {"queue": ("a", "b"), "tone": ("calm", "angry")}

    def predict_proba(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        angry = [any(w in t for w in ("disappointed", "fed up", "annoying")) for t in texts]
        rows = np.array([[0.1, 0.9] if found else [0.9, 0.1] for found in angry])
        return {"queue": rows, "tone": rows}


def test_a_queue_that_follows_the_tone_is_found_out() -> None:
    suites = Suites(
        invariance=dict.fromkeys(TONES, 0.93), evidence=0, minimum_functionality=0, direction=0
    )
    texts = [f"printer {i} is out of paper" for i in range(20)]
    labels: dict[str, list[str | None]] = {"queue": ["a"] * 20, "tone": ["calm"] * 20}
    report = run_behavior(
        Moody(), suites, "made up", [str(i) for i in range(20)], texts, labels, 1, {"tone"}
    )
    found = {(o.name, o.target): o.passed for o in report.outcomes if o.kind == "invariance"}
    assert found == {("displeasure added", "queue"): False, ("pleasure added", "queue"): True}


def test_a_tone_is_added_and_nothing_else_changes() -> None:
    generator = np.random.default_rng(0)
    for name in TONES:
        changed = TRANSFORMATIONS[name]("The printer is out of paper", generator)
        assert changed is not None
        assert changed.startswith("The printer is out of paper\n")


def test_readers_stand_in_report_card_and_metrics(
    make_evaluation: Callable[..., Evaluation],
) -> None:
    evaluation = make_evaluation(readers=READERS)
    page, card = render_report(evaluation), render_card(evaluation)
    assert "posts &lt;b&gt;" in page
    assert "0.871" in page
    assert "fallback: synthetic" in page
    assert "macro F1 0.871 (0.851–0.890) on its test rows" in card
    assert "span F1 0.612 on its test rows" in card
    assert metrics_of(evaluation)["readers"] == READERS
    assert '<a href="#readers">' in page
    assert "What is read beside the targets" not in render_card(make_evaluation())
