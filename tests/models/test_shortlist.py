"""The shortlist holds the right class as often as it says."""

import numpy as np

from models.shortlist import Shortlist, fit_shortlist


def draw(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    probabilities = random.dirichlet(np.ones(5), n)
    truth = (random.random(n)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1)
    return probabilities, np.minimum(truth, 4)


def test_coverage_holds_on_average_over_calibrations() -> None:
    random = np.random.default_rng(5)
    covered = []
    for _ in range(100):
        shortlist = fit_shortlist(*draw(random, 300), coverage=0.9)
        covered.append(shortlist.covers(*draw(random, 300)).mean())
    assert np.mean(covered) >= 0.895


def test_the_most_probable_class_comes_first_and_is_always_listed() -> None:
    shortlist = Shortlist(coverage=0.9, threshold=0.99, rows=10)
    listed = shortlist.candidates(np.array([0.2, 0.5, 0.3]))
    assert listed.tolist() == [1]
    assert Shortlist(coverage=0.9, threshold=0.25, rows=10).candidates(
        np.array([0.2, 0.5, 0.3])
    ).tolist() == [1, 2]


def test_too_few_rows_list_every_class() -> None:
    probabilities, truth = draw(np.random.default_rng(6), 5)
    shortlist = fit_shortlist(probabilities, truth, coverage=0.95)
    assert shortlist.candidates(probabilities[0]).size == 5
    assert shortlist.covers(probabilities, truth).all()


def test_being_listed_is_being_covered() -> None:
    random = np.random.default_rng(8)
    probabilities, truth = draw(random, 200)
    shortlist = fit_shortlist(probabilities, truth, coverage=0.8)
    listed = [t in shortlist.candidates(p) for p, t in zip(probabilities, truth, strict=True)]
    assert shortlist.covers(probabilities, truth).tolist() == listed
