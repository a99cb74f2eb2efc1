"""Invented contests of two bundles whose true qualities are known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.gate import Contestant
from evaluation.gate_decision import Source
from evaluation.gate_rows import Answers, Compared
from evaluation.suites import BehaviorReport, Outcome

LABELS = ("access", "hardware", "network", "printer", "storage", "wishes")


def contest(
    generator: np.random.Generator,
    n: int,
    *,
    redrawn: float = 0.4,
    better: float = 0.0,
    harm: Mapping[str, float] | None = None,
    labels: Sequence[str] = LABELS,
    certain: float = 0.9,
    overconfident: float = 0.0,
    source: Source = "test",
) -> Compared:
    """n rows on which both bundles are calibrated and right with the same probability.

    Parameters
    ----------
    redrawn : share of rows on which the candidate's luck is its own
    better : added to the candidate's probability of being right, and to its confidence
    harm : label -> what its tickets lose of that
    certain : confidence from which on both route unseen
    overconfident : added to the candidate's confidence alone
    """
    codes, names = generator.integers(0, len(labels), n), np.array(labels)
    truth, wrong = names[codes], names[(codes + 1) % len(labels)]
    confidence = 0.5 + 0.5 * generator.beta(3, 1, n)  # mean 0.875
    luck = generator.random(n)
    own = np.where(generator.random(n) < redrawn, generator.random(n), luck)
    loss = np.array([(harm or {}).get(label, 0.0) for label in labels])[codes]

    def answers(right: Any, told: Any) -> Answers:
        return Answers(np.where(right, truth, wrong), told, confidence >= certain)

    return Compared(
        source=source,
        target="category",
        truth=truth,
        groups=np.arange(n),
        candidate=answers(
            own < confidence + better - loss, np.minimum(1, confidence + better + overconfident)
        ),
        champion=answers(luck < confidence, confidence),
    )


def apart(redrawn: float = 0.4) -> float:
    """Probability that one of two equally good bundles of `contest` alone is right."""
    grid = (np.arange(20_000) + 0.5) / 20_000
    confidence = 0.5 + 0.5 * grid ** (1 / 3)  # quantiles of Beta(3, 1)
    return float(redrawn * np.mean(2 * confidence * (1 - confidence)))


def report(*failed: str, failures: int = 5) -> BehaviorReport:
    """Three tests of ten tickets, of which those named fail by so many."""
    return BehaviorReport(
        dataset="invented",
        outcomes=tuple(
            Outcome(
                kind="invariance", name=name, target="category", cases=10,
                failures=failures * (name in failed), skipped=0, minimum=0.9,
            )
            for name in ("in capitals", "letters swapped", "blanks doubled")
        ),
    )  # fmt: skip


def contestant(version: str = "invented-00000001", **facts: Any) -> Contestant:
    """A bundle that answers LABELS; `facts` replace fields."""
    usual: dict[str, Any] = {
        "version": version,
        "targets": {"category": LABELS},
        "promised": {"category": 0.9},
        "size": 50 * 2**20,
        "latency_ms": 20.0,
        "behavior": report(),
    }
    return Contestant(**(usual | facts))
