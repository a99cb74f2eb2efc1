"""Weights rounded together lose less of what a layer gives than weights rounded each for itself."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.quantise import MOST_WEIGHT, pack, quantise
from models.rounding import EVERY, Entering, measure_entering, round_weight

K, N = 48, 20
LARGE = 3


@pytest.fixture
def entered() -> np.ndarray:
    """Rows whose columns are alike in groups, as those of a network are."""
    random = np.random.default_rng(3)
    return random.normal(size=(400, 6)) @ random.normal(size=(6, K)) + 0.1 * random.normal(
        size=(400, K)
    )


@pytest.fixture
def weight() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(K, N)).astype(np.float32)


def _lost(entered: np.ndarray, weight: np.ndarray, packed: np.ndarray, scales: np.ndarray) -> float:
    return float(((entered @ (packed * scales - weight)) ** 2).mean())


def test_less_is_lost_of_what_comes_out(entered: np.ndarray, weight: np.ndarray) -> None:
    moments = entered.T @ entered / len(entered)
    alone, together = pack(weight), pack(weight, moments)
    np.testing.assert_array_equal(alone[1], together[1])
    assert _lost(entered, weight, *together) < _lost(entered, weight, *alone) / 4


def test_numbers_stay_within_the_largest(entered: np.ndarray, weight: np.ndarray) -> None:
    packed, _ = pack(10 * weight, entered.T @ entered / len(entered))
    assert packed.dtype == np.int8
    assert np.abs(packed).max() <= MOST_WEIGHT


def test_inputs_that_have_nothing_in_common_are_rounded_each_for_itself(
    weight: np.ndarray,
) -> None:
    scales = np.abs(weight).max(axis=0) / MOST_WEIGHT
    rounded = round_weight(weight, scales, np.eye(K), MOST_WEIGHT)
    np.testing.assert_array_equal(rounded, pack(weight)[0])


def test_a_column_that_never_enters_and_one_without_weights_break_nothing(
    entered: np.ndarray, weight: np.ndarray
) -> None:
    entered[:, 5] = 0
    weight[:, 2] = 0
    packed, scales = pack(weight, entered.T @ entered / len(entered))
    assert (packed[:, 2] == 0).all()
    assert np.isfinite(packed * scales).all()


def test_columns_with_the_largest_numbers_are_told() -> None:
    rows = np.random.default_rng(9).normal(size=(2000, 12)).astype(np.float32)
    rows[:, 3] *= 9
    rows[::100, 7] = 40  # in few rows, and larger than all
    entering = Entering(np.eye(12), rows)
    assert entering.largest(2).tolist() == [3, 7]
    least, most = entering.range_without(entering.largest(2))
    assert -6 < least < -2.5
    assert 2.5 < most < 6


def test_a_range_holds_zero() -> None:
    entering = Entering(np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]], np.float32))
    least, most = entering.range_without(np.array([0]))
    assert least == 0
    assert most == pytest.approx(4, abs=0.05)


@pytest.fixture
def model(weight: np.ndarray) -> onnx.ModelProto:
    """A product that narrows, behind one that widens and takes little of one column."""
    wide = np.random.default_rng(5).normal(size=(N, K)).astype(np.float32)
    wide[LARGE] /= 30
    nodes = [
        helper.make_node("MatMul", ["x", "wide"], ["made"]),
        helper.make_node("MatMul", ["made", "narrow"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "n", N])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["b", "n", N])],
        [numpy_helper.from_array(wide, "wide"), numpy_helper.from_array(weight, "narrow")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_moments_are_those_of_what_enters_each_product(model: onnx.ModelProto) -> None:
    random = np.random.default_rng(6)
    calls = [{"x": random.normal(size=(1, n, N)).astype(np.float32)} for n in (2, 5)]
    rows = np.concatenate([call["x"][0] for call in calls]).astype(np.float64)
    wide = numpy_helper.to_array(model.graph.initializer[0]).astype(np.float64)
    found = measure_entering(model, calls)
    np.testing.assert_allclose(found["x"].moments, rows.T @ rows / 7, rtol=1e-5)
    made = rows @ wide
    np.testing.assert_allclose(found["made"].moments, made.T @ made / 7, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["x"].rows, rows[::EVERY], rtol=1e-6)


def test_rows_have_a_step_of_their_own_where_a_product_widens(model: onnx.ModelProto) -> None:
    random = np.random.default_rng(7)
    x = random.normal(size=(1, 60, N)).astype(np.float32)
    kinds = [
        node.op_type for node in quantise(model, measure_entering(model, [{"x": x}])).graph.node
    ]
    assert kinds.count("MatMulIntegerToFloat") == kinds.count("QuantizeLinear") == 2
    assert kinds.count("ReduceMax") == 1  # what narrows has one range for all


def test_numbers_beyond_the_range_are_cut_off(model: onnx.ModelProto) -> None:
    random = np.random.default_rng(7)
    x = random.normal(size=(1, 60, N)).astype(np.float32)
    small = quantise(model, measure_entering(model, [{"x": x}]))
    usual, large = _answer(model, x), _answer(small, 100 * x)
    assert np.isfinite(large).all()
    # As large as what was measured, and not as large as what came: nothing wraps around.
    assert np.abs(large).max() < 30 * np.abs(usual).max()


def test_a_graph_that_was_rounded_on_its_inputs_answers_nearly_the_same(
    model: onnx.ModelProto,
) -> None:
    random = np.random.default_rng(8)
    large = np.where(np.arange(N) == LARGE, 30, 1)
    x = (random.normal(size=(2, 2000, N)) * large).astype(np.float32)
    told = quantise(model, measure_entering(model, [{"x": x[:1]}]))
    expected, found, alone = (_answer(one, x[1:]) for one in (model, told, quantise(model)))
    lost = ((found - expected) ** 2).mean()
    assert lost < ((alone - expected) ** 2).mean()
    assert lost < 1e-3 * (expected**2).mean()


def _answer(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]
