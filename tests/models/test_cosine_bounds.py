"""No inner product is above its bound."""

import numpy as np
import pytest

from models.cosine_bounds import AT_ONCE, FIRST, HEAD, TOGETHER, CosineBounds


def unit(n: int, dimension: int, seed: int, spread: float = 1.0) -> np.ndarray:
    """Vectors of length 1; the smaller the spread, the less most directions matter."""
    directions = spread ** np.arange(dimension)
    vectors = np.random.default_rng(seed).normal(size=(n, dimension)) * directions
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("dimension", [1, 2, FIRST, FIRST + 1, HEAD, HEAD + 1, 384])
@pytest.mark.parametrize("spread", [1.0, 0.99, 0.9])
def test_no_product_is_above_its_bound(dimension: int, spread: float) -> None:
    held, asked = unit(300, dimension, 0, spread), unit(20, dimension, 1, spread)
    bounds = CosineBounds(held)
    some = np.arange(0, 300, 7)
    queries = np.vstack([asked, held[:20]])
    for one, found in zip(queries, bounds.of(queries), strict=True):
        products = held.astype(np.float64) @ one.astype(np.float64)
        assert (found.upper >= products - 1e-5).all()
        assert (found.closer(some) >= products[some] - 1e-5).all()
        assert (found.closer(some) <= found.upper[some] + 1e-5).all()


def test_bounds_are_the_products_where_every_direction_is_looked_at() -> None:
    held, asked = unit(50, HEAD, 0), unit(1, HEAD, 1)
    products = held.astype(np.float64) @ asked[0].astype(np.float64)
    [found] = CosineBounds(held).of(asked)
    np.testing.assert_allclose(found.closer(np.arange(50)), products, atol=1e-5)


def test_bounds_are_tight_where_few_directions_matter() -> None:
    held, asked = unit(9_000, 384, 0, 0.97), unit(1, 384, 1, 0.97)
    products = held.astype(np.float64) @ asked[0].astype(np.float64)
    [found] = CosineBounds(held).of(asked)
    assert (found.closer(np.arange(9_000)) - products).max() < 1e-3
    assert (found.upper - products).max() < 0.2


@pytest.mark.parametrize("m", [0, 1, TOGETHER - 1, TOGETHER, AT_ONCE, 2 * AT_ONCE + 1])
def test_bounds_are_the_same_up_to_rounding_however_many_are_asked_for(m: int) -> None:
    held, asked = unit(300, 200, 0), unit(m, 200, 1)
    bounds, rows = CosineBounds(held), np.arange(0, 300, 7)
    for query, found in zip(asked, bounds.of(asked), strict=True):
        [alone] = bounds.of(query[None])
        np.testing.assert_allclose(found.upper, alone.upper, atol=1e-6)
        np.testing.assert_allclose(found.closer(rows), alone.closer(rows), atol=1e-6)
