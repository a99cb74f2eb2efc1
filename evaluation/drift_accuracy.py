"""How accurate the answers are now: what confidence suggests, and what audited labels say."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact, norm
from sklearn.isotonic import IsotonicRegression

from evaluation.drift_report import AccuracyEstimate, ConceptShift, Estimate, Rules
from evaluation.drift_tests import Finding
from evaluation.drift_window import Answers
from evaluation.intervals import exact_interval

DRAWS = 200

CAVEAT = (
    "Estimates without labels assume that a confidence means what it meant on the reference. They "
    "follow changed shares of easy and hard tickets; what is right for the same ticket may change "
    "without their noticing, and on tickets unlike all learned ones they are usually too high."
)

Floats = NDArray[np.float64]


class Suspicion(NamedTuple):
    """What is known of a concept shift, and the finding that will tell whether there is one."""

    told: ConceptShift
    finding: Finding | None


def estimate_accuracy(reference: Answers, current: Answers, seed: int) -> AccuracyEstimate:
    """Accuracy of the current window, without its labels and with them.

    Difference of confidences: Guillory et al., "Predicting with confidence on unseen
    distributions", ICCV 2021, with calibrated confidences, so that its slope is 1. Average
    thresholded confidence: Garg et al., "Leveraging unlabeled data to predict out-of-distribution
    performance", ICLR 2022, on the greatest probability; where calibrated confidences change in
    shape it overstates what is lost (by 0.3 in the test of this module), so that it is shown and
    not acted on. On bug reports of 2011 to 2018 answered by a model of 2009 and 2010, both were too
    high by 0.1 in the first year and by 0.3 in the last. Intervals: percentile bootstrap of both
    windows, `DRAWS` draws.
    """
    random = np.random.default_rng(seed)
    audited, rows = current.labelled, reference.labelled
    measured, known = current.correct, reference.correct
    confidence, then = current.confidence, reference.confidence[rows]
    own, doc, atc = [], [], []
    for draw in range(DRAWS + 1):
        now = confidence if not draw else confidence[_drawn(random, len(confidence))]
        own.append(float(now.mean()))
        if len(rows):
            took = np.arange(len(rows)) if not draw else _drawn(random, len(rows))
            doc.append(float(known[took].mean() + now.mean() - then[took].mean()))
            atc.append(float((now >= _threshold(then[took], known[took])).mean()))
    return AccuracyEstimate(
        reference=_share(known) if len(rows) else None,
        mean_confidence=_estimate(own),
        by_confidence_change=_estimate(doc) if doc else None,
        by_threshold=_estimate(atc) if atc else None,
        measured=_share(measured) if len(audited) else None,
        audited=len(audited),
        caveat=CAVEAT,
    )


def find_concept_shift(
    target: str,
    reference: Answers,
    current: Answers,
    alike: NDArray[np.bool_] | None,
    rules: Rules,
) -> Suspicion:
    """Whether answers are wrong more often than their confidence allows, on tickets as before.

    On the audited tickets that the domain classifier cannot tell from the reference, the share of
    right answers is compared with the one that the reference had at the same confidences (isotonic
    regression, Zadrozny and Elkan, KDD 2002); one-sided z-test whose variance counts both samples.

    Parameters
    ----------
    alike : shape (n,), current tickets that look like those of the reference; None: nothing tells
    """
    audited = current.labelled
    kept = np.ones(len(audited), dtype=np.bool_) if alike is None else alike[audited]
    n = int(kept.sum())
    rows = reference.labelled
    if n < rules.audited or len(rows) < rules.audited:
        few = "of now" if n < rules.audited else "of the reference"
        count = n if n < rules.audited else len(rows)
        told = (
            f"{target}: whether the right answers have changed cannot be told without labels: "
            f"{count} audited tickets {few}, {rules.audited} are needed."
        )
        return Suspicion(ConceptShift(state="cannot_be_told", audited=n, told=told), None)
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    curve.fit(reference.confidence[rows], reference.correct.astype(np.float64))
    chances = np.asarray(curve.predict(current.confidence[audited][kept]))
    right = current.correct[kept]
    expected, measured = float(chances.mean()), float(right.mean())
    spread = expected * (1 - expected)
    deviation = np.sqrt(max(spread, 1 / n) * (1 / n + 1 / len(rows)))
    p_value = float(norm.sf((expected - measured) / deviation))
    finding = Finding(
        name=f"{target}.concept",
        side="truth",
        effect_name="points",
        effect=max(0.0, expected - measured),
        limit=rules.accuracy,
        p_value=p_value,
        facts={"expected": expected, "measured": measured, "audited": float(n)},
    )
    told = (
        f"{target}: of {n} audited tickets like those before, {measured:.1%} were answered right; "
        f"at these confidences {expected:.1%} are to be expected."
    )
    state = ConceptShift(
        state="not_seen", audited=n, expected=expected, measured=measured, told=told
    )
    return Suspicion(state, finding)


def find_loss(target: str, reference: Answers, current: Answers, rules: Rules) -> Finding | None:
    """Whether fewer answers are right than on the reference, whatever the reason.

    One-sided exact test of Fisher on labelled tickets; None where there are too few of them.
    """
    now, then = current.correct, reference.correct
    if min(len(now), len(then)) < rules.audited:
        return None
    table = [[int(x.sum()), int((~x).sum())] for x in (now, then)]
    return Finding(
        name=f"{target}.accuracy",
        side="truth",
        effect_name="points",
        effect=max(0.0, float(then.mean() - now.mean())),
        limit=rules.accuracy,
        p_value=min(1.0, float(fisher_exact(table, alternative="less").pvalue)),
        facts={"reference": float(then.mean()), "current": float(now.mean())},
    )


def _threshold(confidence: Floats, correct: NDArray[np.bool_]) -> float:
    """Confidence below which lies the share of the reference that is wrong."""
    errors = int((~correct).sum())
    if errors == 0:
        return -np.inf
    return float(np.sort(confidence)[errors - 1]) + 1e-12


def _drawn(random: np.random.Generator, n: int) -> NDArray[np.int64]:
    return random.integers(0, n, n)


def _estimate(draws: list[float]) -> Estimate:
    low, high = np.percentile(draws[1:], [2.5, 97.5])
    value, low, high = (min(1.0, max(0.0, float(x))) for x in (draws[0], low, high))
    return Estimate(value=value, low=low, high=high)


def _share(correct: NDArray[np.bool_]) -> Estimate:
    low, high = exact_interval(int(correct.sum()), len(correct))
    return Estimate(value=float(correct.mean()), low=low, high=high)
