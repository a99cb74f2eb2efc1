"""Populations of two tiers: how sure each is of a ticket, how often they agree, what is right."""

from typing import Any

import numpy as np

from models.base import Probabilities
from models.cascade import Agreement, Cascade, TargetCascade
from models.cascade_fitting import TargetAnswers, Tickets
from models.routing import (
    ClassCertificate,
    LanguageCertificate,
    RoutingParams,
    RoutingPolicy,
    fit_policy,
)
from models.transfer import fit_transferred
from tests.populations import two_classes

CLASSES = ("a", "b")
SPLITS = {"out_of_fold": 8_000, "valid": 1_500, "calibration": 1_500, "test": 6_000}


def draw_tiers(
    random: np.random.Generator, n: int, agreeing: float = 1.0
) -> tuple[Probabilities, Probabilities, np.ndarray]:
    """What the first member and the ensemble answer, and the truth.

    The ensemble is right as often as it is sure. The first member's log-odds are half those of the
    ensemble, and a noise that makes it take some tickets for the other class; `agreeing` is how
    often it has not read something else altogether.
    """
    odds = random.normal(3, 2, n) ** 2 / 3
    label = random.integers(0, 2, n)
    own = 0.5 * odds + random.normal(0, 0.5, n)
    own = np.where(random.random(n) < agreeing, own, -own)
    sure, first = 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(-np.abs(own)))
    truth = np.where(random.random(n) < sure, label, 1 - label)
    return two_classes(first, np.where(own > 0, label, 1 - label)), two_classes(sure, label), truth


def draw_target(
    random: np.random.Generator, agreeing: float = 1.0, *, crossfit: bool = True
) -> tuple[TargetAnswers, dict[str, np.ndarray]]:
    """A target that was certified as the ensemble is, and the rows of every split."""
    first, second, truth = draw_tiers(random, sum(SPLITS.values()), agreeing)
    ends = np.cumsum(list(SPLITS.values()))
    parts = np.split(np.arange(ends[-1]), ends[:-1])
    rows = dict(zip(SPLITS, parts, strict=True))

    def of(name: str) -> tuple[Probabilities, np.ndarray]:
        return second[rows[name]], truth[rows[name]]

    held_out, params = of("calibration"), RoutingParams()
    policy = (
        fit_transferred(of("out_of_fold"), of("valid"), held_out, CLASSES, params, "test")
        if crossfit
        else fit_policy(held_out, of("valid"), CLASSES, params, "test")
    )
    return TargetAnswers(CLASSES, 1.0, first, second, truth, policy), rows


def make_tickets(rows: dict[str, np.ndarray], **changes: Any) -> Tickets:
    """Known tickets in English."""
    n = sum(len(found) for found in rows.values())
    given: dict[str, Any] = {
        **{name: found for name, found in rows.items() if name != "test"},
        "languages": ["en"] * n,
        "novel": np.zeros(n, dtype=bool),
    }
    return Tickets(**(given | changes))


def certificate(threshold: float | None = 0.8) -> ClassCertificate:
    return ClassCertificate(
        threshold=threshold,
        certified=threshold is not None,
        rows=100,
        automatic=90,
        errors=1,
        lower_bound=0.95,
        reason="test",
    )


def language(*, certified: bool = True) -> LanguageCertificate:
    return LanguageCertificate(
        rows=100, automatic=90, errors=1, lower_bound=0.95, certified=certified
    )


def make_policy(classes: tuple[str, ...] = CLASSES, threshold: float = 0.8) -> RoutingPolicy:
    """Routes English answers that are this sure, and leaves German ones to people."""
    return RoutingPolicy(
        accuracy=0.95,
        confidence=0.95,
        family="class",
        method="test",
        rows=300,
        certified_automation=0.9,
        classes={name: certificate(threshold) for name in classes},
        languages={"en": language(), "de": language(certified=False)},
    )


def make_cascade(**stops_at: float | None) -> Cascade:
    """Each target named stops at this confidence, whatever the label."""
    return Cascade(
        targets={
            name: TargetCascade(
                temperature=1.0, thresholds=dict.fromkeys(CLASSES, limit), routing=make_policy()
            )
            for name, limit in stops_at.items()
        },
        agreement=Agreement(tickets=1000, stopped=500, different=1, lower_bound=0.995),
    )
