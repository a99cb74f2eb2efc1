"""Weights in 8 bits: what is lost is half a step, and the rest of a graph stays as it was."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.quantise import LEAST_ROWS, MOST_WEIGHT, pack, quantise
from models.rounding import measure_entering


def test_every_weight_is_within_half_a_step_of_its_column() -> None:
    weight = np.random.default_rng(2).normal(size=(40, 5)).astype(np.float32)
    weight[:, 2] = 0
    packed, scales = pack(weight)
    assert np.abs(packed).max() == MOST_WEIGHT
    assert (np.abs(packed * scales - weight) <= scales / 2 + 1e-7).all()
    assert (packed[:, 2] == 0).all()


@pytest.fixture
def model() -> onnx.ModelProto:
    """A vocabulary, a product with its weight and one of two inputs."""
    random = np.random.default_rng(1)
    table = random.normal(size=(LEAST_ROWS, 64)).astype(np.float32)
    weight = random.normal(size=(64, 48)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["found"]),
        helper.make_node("MatMul", ["found", "weight"], ["made"]),
        helper.make_node("Transpose", ["made"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["turned", "made"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "n"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["b", 48, 48])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(weight, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answer(model: onnx.ModelProto, ids: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"ids": ids})[0]


def test_a_graph_answers_almost_the_same_with_a_third_of_the_bytes(model: onnx.ModelProto) -> None:
    ids = np.arange(12).reshape(2, 6)
    small = quantise(model)
    assert small.ByteSize() < model.ByteSize() * 0.55  # the table, which is most of it, is halved
    expected, found = answer(model, ids), answer(small, ids)
    cosine = (expected * found).sum() / np.linalg.norm(expected) / np.linalg.norm(found)
    assert cosine > 0.999
    kinds = [node.op_type for node in small.graph.node]
    # Of two inputs: as it was.
    assert kinds.count("MatMulIntegerToFloat") == kinds.count("MatMul") == 1


def test_products_of_the_same_input_round_it_once() -> None:
    weight = np.eye(8, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", f"w{i}"], [f"y{i}"]) for i in range(3)],
        "three",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8])],
        [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, ["n", 8]) for i in range(3)],
        [numpy_helper.from_array((i + 1) * weight, f"w{i}") for i in range(3)],
    )
    opsets = [helper.make_opsetid("", 17)]
    small = quantise(helper.make_model(graph, opset_imports=opsets, ir_version=8))
    assert [node.op_type for node in small.graph.node].count("QuantizeLinear") == 1
    session = onnxruntime.InferenceSession(
        small.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    rows = np.array([[-1.0, 0, 0, 0, 0, 0, 0, 3], [5.0] * 8, [0.0] * 8], np.float32)
    for number, found in enumerate(session.run(None, {"x": rows}), start=1):
        np.testing.assert_allclose(found, number * rows, atol=number * 4 / 255 / 2)


@pytest.mark.parametrize("known", [False, True])
def test_an_answer_in_8_bits_does_not_depend_on_its_neighbours(
    model: onnx.ModelProto, known: bool
) -> None:
    ids = np.arange(60).reshape(10, 6)
    small = quantise(model, measure_entering(model, [{"ids": ids}]) if known else None)
    np.testing.assert_allclose(answer(small, ids)[:1], answer(small, ids[:1]), rtol=1e-4, atol=1e-4)


def test_the_graph_it_was_made_of_stays_as_it_was(model: onnx.ModelProto) -> None:
    before = model.SerializeToString(deterministic=True)
    quantise(model)
    assert model.SerializeToString(deterministic=True) == before
