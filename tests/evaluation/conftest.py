"""One evaluation of invented tickets, with every part that a report tells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from evaluation.assessment import System, TargetAssessment, TestTickets, assess_target
from evaluation.files import Evaluation
from evaluation.league.published import Published, Table
from evaluation.suites import BehaviorReport, Outcome

CLASSES = ("access", "hardware", "wishes & praise")
ATTACK = "<script>alert('stolen')</script> \"quoted\" & more"


@dataclass(frozen=True)
class Decided:
    automatic: NDArray[np.bool_]


@dataclass(frozen=True)
class ThresholdPolicy:
    """Routes what is surer than a threshold per class."""

    thresholds: tuple[float, ...]

    def decide(self, probabilities: NDArray[np.float64]) -> Decided:
        limits = np.asarray(self.thresholds)[probabilities.argmax(axis=1)]
        return Decided(probabilities.max(axis=1) >= limits)


class TwoBest:
    """Always the two likeliest classes."""

    def candidates(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.argsort(-probabilities)[:2]

    def covers(
        self, probabilities: NDArray[np.float64], truth: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        best = np.argsort(-probabilities, axis=1)[:, :2]
        return np.asarray((best == truth[:, None]).any(axis=1))


def routing(thresholds: Sequence[float]) -> dict[str, Any]:
    return {
        "accuracy": 0.9,
        "confidence": 0.95,
        "family": "class",
        "method": "exact bounds on invented rows",
        "rows": 2000,
        "certified_automation": 0.6,
        "excess": {"automatic": 90, "errors": 3, "expected": 4.2, "bound": 0.03, "asked": 0.93},
        "notes": ["A note with | a bar and <b>no markup</b>."],
        "classes": {
            label: {
                "threshold": None if np.isinf(limit) else limit,
                "certified": bool(np.isfinite(limit)),
                "rows": 300,
                "automatic": 200 if np.isfinite(limit) else 0,
                "errors": 9 if np.isfinite(limit) else 0,
                "lower_bound": 0.921,
                "reason": "certified" if np.isfinite(limit) else "12 of 15 right: too few",
            }
            for label, limit in zip(CLASSES, thresholds, strict=True)
        },
    }


def assess(
    target: str = "topic", thresholds: Sequence[float] = (0.7, 0.75, np.inf), n: int = 300
) -> TargetAssessment:
    """A sharp ensemble, two blunter members, 20 rows without a label."""
    generator = np.random.default_rng(11)
    truth = generator.integers(0, 3, n)
    base = generator.dirichlet(np.ones(3) * 0.5, n)

    def sharpened(strength: float) -> NDArray[np.float64]:
        raised = base.copy()
        raised[np.arange(n), truth] += strength * generator.random(n)
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    labels = truth.copy()
    labels[:20] = -1
    tickets = TestTickets(
        ids=[f"t-{row}" for row in range(n)],
        texts=[f"{ATTACK} ticket {row} " + "word " * (row % 40) for row in range(n)],
        groups=[f"g-{row // 2}" for row in range(n)],
        languages=["en" if row % 3 else None for row in range(n)],
        near_train=np.arange(n) % 25 == 0,
    )
    policy = ThresholdPolicy(tuple(thresholds))
    return assess_target(
        target,
        CLASSES,
        labels,
        tickets,
        System(sharpened(4), policy),
        {"linear": System(sharpened(2), policy), "finetuned": System(sharpened(3), policy)},
        routing(thresholds),
        TwoBest(),
        draws=60,
        seed=3,
    )


@pytest.fixture(scope="session")
def assessment() -> TargetAssessment:
    return assess()


@pytest.fixture(scope="session")
def make_evaluation(assessment: TargetAssessment) -> Callable[..., Evaluation]:
    def make(**changes: Any) -> Evaluation:
        given: dict[str, Any] = {
            "summary": {
                "dataset": "invented",
                "fallback": False,
                "fingerprint": "ab12" * 16,
                "rows": {"read": 1010, "accepted": 1000, "rejected": 10},
                "rejected": {"empty text": 10},
                "splits": {"train": 500, "valid": 100, "calibration": 100, "test": 300},
                "published_split": "theirs",
                "near_train": 12,
                "masked": {"email": 4},
                "languages": {"en": 1000},
                "checks": [
                    {"name": "schema", "level": "ok", "message": "as promised", "count": 0},
                    {"name": "rare", "level": "warning", "message": "one is rare", "count": 1},
                    {"name": "leak", "level": "error", "message": "a leak", "count": 2},
                ],
                "licence": "CC0-1.0",
                "citation": "Nobody | 2026",
            },
            "bundle": "invented-0a1b2c3d",
            "targets": {"topic": assessment},
            "costs": {
                "seconds": {"fetch": 1.5, "evaluate": 20.0},
                "peak_mib": {"fetch": 100.0, "evaluate": 512.4},
            },
            "latency": {"p50_ms": 12.3, "p95_ms": 20.1, "tickets": 60, "threads": 1},
            "behavior": BehaviorReport(
                dataset="invented",
                outcomes=(
                    behaved("invariance", "in capitals", 10, 0),
                    behaved("invariance", "in small letters", 0, 0),
                    behaved("direction", "another's ticket appended", 10, 9),
                ),
            ),
            "league": (
                Table(
                    title="Their split",
                    same_split=True,
                    rows=(
                        Published(system="Ours", source="here", place="now", ours=True),
                        Published(
                            system="Theirs",
                            source="some/repository",
                            place="README",
                            accuracy=0.8,
                            computed="by hand",
                            note="a note",
                        ),
                    ),
                ),
            ),
            "label_errors": pd.DataFrame(
                {
                    "id": ["t-900"],
                    "target": ["topic"],
                    "split": ["train"],
                    "given": ["access"],
                    "suggested": ["hardware"],
                    "score": [-0.97],
                }
            ),
            "excerpts": {"t-900": f"suspect {ATTACK}"},
            "params": {"dataset": "invented", "seed": 7},
        }
        return Evaluation(**(given | changes))

    return make


@pytest.fixture(scope="session")
def make_assessment() -> Callable[..., TargetAssessment]:
    return assess


def behaved(kind: Any, name: str, cases: int, failures: int) -> Outcome:
    return Outcome(
        kind=kind,
        name=name,
        target="topic",
        cases=cases,
        failures=failures,
        skipped=10 - cases,
        minimum=0.9,
    )
