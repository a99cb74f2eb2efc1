"""Where answers may stop early: widened step by step, as long as nothing that is promised breaks.

Per target and class, rows answered out of fold tell how often an answer of the first member, at a
given confidence, is the decision of the whole ensemble. One allowance for all classes, the share of
answers at the edge that may be decided otherwise, so gives each class its own threshold. The
allowance grows in fixed steps, and each has to pass two exact tests:

- On held-out rows, which the final members answered: the share of tickets decided as by the whole
  ensemble is at least the one asked for. No label is looked at. The first step that fails is the
  end: fixed-sequence testing, as in `models.routing`.
- On the rows that certified the ensemble: the certificate of each class, computed on what both
  tiers route together. Where it needs that, the second tier's threshold is raised a little. A class
  that cannot be certified so is widened no further.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from models.base import Probabilities
from models.cascade import Agreement, Cascade, CascadeParams, TargetCascade, joined
from models.cascade_certificate import certify_both
from models.language_slices import certify_languages
from models.routing import RoutingPolicy, lower_bound
from models.transfer import Rows

ALLOWANCES = np.geomspace(0.004, 0.5, 60)
"""Shares of the answers at the edge of stopping that may be decided otherwise, step by step."""

SHARES = np.array([0.25, 0.5, 0.75])
"""Of the answers that stop at the first of these allowances, in the steps before it: among a few
hundred rows the many that agree make it a wide step."""

STEPS = len(SHARES) + len(ALLOWANCES)

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class TargetAnswers:
    """One target: what the tiers answer to every row, and what is right.

    Attributes
    ----------
    temperature : of the first member, as it serves
    first, second : calibrated probabilities of the first member and of the ensemble, shape (n, k)
    truth : class positions, shape (n,), -1 where missing
    policy : of the ensemble
    """

    classes: tuple[str, ...]
    temperature: float
    first: Probabilities
    second: Probabilities
    truth: Integers
    policy: RoutingPolicy

    def rows(self, chosen: Integers, answers: Probabilities) -> Rows:
        """Answers and truth of those of the rows that carry a label."""
        known = chosen[self.truth[chosen] >= 0]
        return answers[known], self.truth[known]


@dataclass(frozen=True)
class Tickets:
    """What every row is good for.

    Attributes
    ----------
    out_of_fold : answered by members that have not seen them; empty where there are none
    valid, calibration : answered by the final members
    languages : of every row, None where the text is too short to tell
    novel : whether nothing like it was learned from, shape (n,); only all members together tell
    """

    out_of_fold: Integers
    valid: Integers
    calibration: Integers
    languages: Sequence[str | None]
    novel: Booleans

    @property
    def learned(self) -> Integers:
        """Rows that tell in which order answers stop."""
        return self.out_of_fold if len(self.out_of_fold) else self.valid

    @property
    def held_out(self) -> Integers:
        """Rows of the final members that nothing above was learned on."""
        if not len(self.out_of_fold):
            return self.calibration
        return np.concatenate([self.valid, self.calibration])


def fit_cascade(
    targets: Mapping[str, TargetAnswers], tickets: Tickets, params: CascadeParams
) -> Cascade | None:
    """The widest cascade that keeps what is promised; None where no ticket may stop."""
    fitting = _Fitting(targets, tickets)
    best: Cascade | None = None
    for step in range(STEPS):
        found = fitting.widened(step)
        agreement = fitting.agreement(found, params.confidence)
        if agreement.lower_bound < params.agreement:
            break
        best = Cascade(targets=found, agreement=agreement)
    return best if best is not None and best.agreement.stopped else None


class _Fitting:
    """The thresholds of all steps, and how far each class has come."""

    def __init__(self, targets: Mapping[str, TargetAnswers], tickets: Tickets) -> None:
        self.targets = targets
        self.tickets = tickets
        self.languages = list(dict.fromkeys(tickets.languages))
        place = {language: at for at, language in enumerate(self.languages)}
        self.language = np.array([place[one] for one in tickets.languages], dtype=np.int64)
        self.spoken = np.all([self._spoken(t.policy) for t in targets.values()], axis=0)
        """Rows in whose language every target is routed, shape (n,)."""
        self.steps = {
            (name, label): found
            for name, target in targets.items()
            for label, found in self._thresholds(target).items()
        }
        self.reached = dict.fromkeys(self.steps, -1)
        """Step that each class stands at; -1: it does not stop at all."""
        self.open = {
            (name, label): certificate.certified and not certificate.by_share
            for name, target in targets.items()
            for label, certificate in target.policy.classes.items()
        }

    def widened(self, step: int) -> dict[str, TargetCascade]:
        """The cascade in which every class that may has gone on to this step."""
        self.reached = {key: step if self.open[key] else at for key, at in self.reached.items()}
        while True:
            found = self._certified()
            lost = [
                (name, label)
                for name, target in found.items()
                for label, threshold in target.thresholds.items()
                if threshold is not None and not target.routing.classes[label].certified
            ]
            if not lost:
                return found
            for key in lost:
                # One step back; a class that loses its certificate there too stops no more.
                self.reached[key] = step - 1 if self.open[key] else -1
                self.open[key] = False

    def agreement(self, found: Mapping[str, TargetCascade], confidence: float) -> Agreement:
        """How often both tiers decide the held-out tickets as the ensemble does."""
        rows = self.tickets.held_out
        stopped = self._stopped(found)
        same = np.ones(len(rows), dtype=bool)
        for name, target in self.targets.items():
            alone = self._decided(target.policy, target.second, ~self.tickets.novel, rows)
            both = self._decided(
                found[name].routing,
                joined(target.first, target.second, stopped),
                stopped | ~self.tickets.novel,
                rows,
            )
            same &= (alone[0] == both[0]) & (alone[1] == both[1])
        total, agreed = len(rows), int(same.sum())
        return Agreement(
            tickets=total,
            stopped=int(stopped[rows].sum()),
            different=total - agreed,
            lower_bound=lower_bound(agreed, total, confidence),
        )

    def _thresholds(self, target: TargetAnswers) -> dict[str, list[float | None]]:
        """Label -> threshold at every step."""
        rows = self.tickets.learned[self.spoken[self.tickets.learned]]
        decided = target.policy.decide(target.second[rows])
        label, confidence = target.first[rows].argmax(axis=1), target.first[rows].max(axis=1)
        same = decided.automatic & (decided.label == label)
        return {
            name: thresholds_of(confidence[label == position], same[label == position])
            for position, name in enumerate(target.classes)
        }

    def _certified(self) -> dict[str, TargetCascade]:
        """The cascade where every class stands now."""
        bare = {
            name: TargetCascade(
                temperature=target.temperature,
                thresholds={
                    label: self.steps[name, label][at] if at >= 0 else None
                    for label in target.classes
                    for at in [self.reached[name, label]]
                },
                routing=target.policy,
            )
            for name, target in self.targets.items()
        }
        stopped = self._stopped(bare)
        return {
            name: bare[name].model_copy(update={"routing": self._certificate(target, stopped)})
            for name, target in self.targets.items()
        }

    def _certificate(self, target: TargetAnswers, stopped: Booleans) -> RoutingPolicy:
        """The certificate of what both tiers route for one target."""
        both = joined(target.first, target.second, stopped)
        crossed = target.policy.excess is not None
        rows = self.tickets.out_of_fold if crossed else self.tickets.calibration
        alone, held_out = target.second, self.tickets.calibration
        policy = certify_both(
            target.policy,
            target.rows(rows, alone),
            target.rows(rows, both),
            (target.rows(held_out, alone), target.rows(held_out, both)) if crossed else None,
        )
        known = rows[target.truth[rows] >= 0]
        spoken = [self.tickets.languages[row] for row in known]
        languages = certify_languages(policy, both[known], target.truth[known], spoken)
        automatic = sum(found.automatic for found in languages.values() if found.certified)
        return policy.model_copy(
            update={"languages": languages, "certified_automation": automatic / max(1, len(known))}
        )

    def _stopped(self, found: Mapping[str, TargetCascade]) -> Booleans:
        """Rows that stop, shape (n,)."""
        every = [found[name].stops(target.first) for name, target in self.targets.items()]
        return np.asarray(np.all([self.spoken, *every], axis=0))

    def _decided(
        self, policy: RoutingPolicy, answers: Probabilities, known: Booleans, rows: Integers
    ) -> tuple[Integers, Booleans]:
        """Label of each row, and whether it is routed."""
        decided = policy.decide(answers[rows])
        return decided.label, decided.automatic & self._spoken(policy)[rows] & known[rows]

    def _spoken(self, policy: RoutingPolicy) -> Booleans:
        """Rows in whose language the policy routes, shape (n,)."""
        speaks = np.array([policy.speaks(one) for one in self.languages], dtype=bool)
        return np.asarray(speaks[self.language])


def thresholds_of(confidence: NDArray[np.float64], same: Booleans) -> list[float | None]:
    """Confidence at which answers stop at every step, falling; None: none stops yet.

    From the first allowance on it is the lowest at which no more answers than that are decided
    otherwise, by isotonic regression on the confidence.

    Parameters
    ----------
    confidence, same : shape (n,), answers of one class, and whether the ensemble decides the same
    """
    if not len(confidence):
        return [None] * STEPS
    order = np.argsort(confidence, kind="stable")
    share = isotonic_regression(same[order].astype(np.float64), increasing=True).x
    # The tolerance keeps a share of exactly 1 - allowance among those that may stop.
    lowest = np.searchsorted(share, 1 - ALLOWANCES - 1e-12)
    n = len(order)
    before = n - np.round(SHARES * (n - lowest[0])).astype(np.int64)
    return [float(confidence[order[at]]) if at < n else None for at in (*before, *lowest)]
