"""The same vectors are found as by comparing all, in one order."""

import numpy as np
import pytest

from data.errors import ModelError
from models.cosine_bounds import AT_ONCE, TOGETHER
from models.nearest_vectors import FEW, NearestVectors, unit_vectors

DIMENSION = 200


def scattered(n: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return unit_vectors(generator.normal(size=(n, DIMENSION)).astype(np.float32))


def clustered(n: int, seed: int) -> np.ndarray:
    """Vectors about 40 centres, as those of tickets are."""
    centres = np.random.default_rng(9).normal(size=(40, DIMENSION))
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(n, DIMENSION)) * 0.97 ** np.arange(DIMENSION)
    return unit_vectors((centres[generator.integers(0, 40, n)] + noise).astype(np.float32))


@pytest.mark.parametrize("make", [clustered, scattered])
@pytest.mark.parametrize("k", [1, 3, 40])
def test_among_many_vectors_the_same_are_found_as_by_comparing_all(make, k: int) -> None:
    held, asked = make(FEW + 1_000, 0), make(20, 1)
    vectors = NearestVectors(held)
    cosines = asked.astype(np.float64) @ held.astype(np.float64).T
    for nearest, row in zip(vectors.nearest(asked, k), cosines, strict=True):
        rows, found = zip(*nearest, strict=True)
        assert list(rows) == np.argsort(-row, kind="stable")[:k].tolist()
        np.testing.assert_allclose(found, -np.sort(-row)[:k], atol=1e-5)


def by_comparing_all(vectors: NearestVectors, query: np.ndarray, k: int) -> list:
    cosines = vectors.cosines(query)
    return [(row, cosines[row]) for row in np.argsort(-cosines, kind="stable")[:k]]


@pytest.mark.parametrize("n", [1, 20, FEW, FEW + 1_000])
@pytest.mark.parametrize("m", [0, 1, TOGETHER, 2 * AT_ONCE + 1])
@pytest.mark.parametrize("k", [1, 5, 3_500])
def test_a_query_is_answered_alike_alone_and_among_others(n: int, m: int, k: int) -> None:
    vectors, asked = NearestVectors(clustered(n, 0)), clustered(m, 1)
    together = vectors.nearest(asked, k)
    assert together == [vectors.nearest(query[None], k)[0] for query in asked]
    assert together == [by_comparing_all(vectors, query, k) for query in asked]


def test_where_many_are_equal_a_query_is_answered_alike_among_others() -> None:
    different = clustered(50, 0)
    held = different[np.random.default_rng(0).integers(0, 50, FEW + 1_000)]
    vectors, asked = NearestVectors(held), np.vstack([different[:10], scattered(10, 1)])
    together = vectors.nearest(asked, 7)
    assert together == [vectors.nearest(query[None], 7)[0] for query in asked]
    assert together == [by_comparing_all(vectors, query, 7) for query in asked]


@pytest.mark.parametrize("degrees", [0, 180])
@pytest.mark.parametrize("k", [1, FEW])
def test_products_beyond_one_of_rounded_vectors_are_equal(degrees: int, k: int) -> None:
    angles = np.deg2rad(degrees + np.linspace(9, 11, FEW + 1_000))
    held = unit_vectors(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    asked = np.deg2rad([9.5, 10, 10.5])
    queries = unit_vectors(np.stack([np.cos(asked), np.sin(asked)], axis=1).astype(np.float32))
    vectors = NearestVectors(held)
    expected = [by_comparing_all(vectors, query, k) for query in queries]
    assert vectors.nearest(queries, k) == expected


def test_every_vector_is_compared_in_the_order_of_the_rows() -> None:
    held, asked = scattered(30, 0), scattered(1, 1)[0]
    expected = held.astype(np.float64) @ asked.astype(np.float64)
    np.testing.assert_allclose(NearestVectors(held).cosines(asked), expected, atol=1e-5)


def test_all_of_many_vectors_can_be_asked_for() -> None:
    held = clustered(FEW + 1, 0)
    [found] = NearestVectors(held).nearest(held[:1], len(held))
    assert {row for row, _ in found} == set(range(len(held)))


@pytest.mark.parametrize("others", [0, FEW])
def test_any_number_of_equal_vectors_stand_in_the_order_of_their_rows(others: int) -> None:
    same = np.repeat(clustered(1, 1), 100, axis=0)
    order = np.random.default_rng(0).permutation(100 + others)
    held = np.vstack([same, clustered(others, 2)])[order]
    [found] = NearestVectors(held).nearest(same[:1], 3)
    assert [row for row, _ in found] == np.flatnonzero(order < 100)[:3].tolist()


def test_vectors_of_length_one_keep_their_direction() -> None:
    unit = unit_vectors(np.array([[3, 4], [0, -2]], dtype=np.float32))
    assert unit.dtype == np.float16
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, -1]], atol=1e-3)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.array([[1.0, np.nan]]), "row 0 is zero or not finite"),
        (np.zeros((1, 2)), "row 0 is zero or not finite"),
        (np.ones(3), r"shape \(3,\), expected"),
        (np.ones((1, 0)), "expected"),
    ],
)
def test_what_has_no_direction_is_refused(features: np.ndarray, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        unit_vectors(features)
