"""Weights of an ONNX graph in 8 bits: a third of the memory, twice the speed.

A product by a weight is made of whole numbers: each column of the weight has a scale, and each row
that comes in, a token, gets a scale and a zero of its own when it comes. The dynamic quantisation
of ONNX Runtime has one scale for all rows of a call, so that a ticket's answer depends on the
others in its batch. Of 96 tickets it turned vectors of the fine-tuned encoder to a cosine of 0.984
at worst, this to 0.997; blocks of 32 weights (`MatMulNBits`) reached 0.9995 and no more speed.

Where it is known what enters the products, their columns are evened out, weights are rounded
together (`models.rounding`), and products that narrow, of which half of the loss comes, stay in
f32. Of 150 calibration tickets of it-service-tickets the mean cosine fell short of 1 by 51 in
100,000 without, by 16 with rounding together, by 9 with narrow products exact as well, by 6 with
all three; a network took 4.3 ms a text instead of 3.3, and 6.5 in f32 (processor time, one thread,
AMD with AVX512 and VNNI, busy).
"""

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.rounding import Moments, even_sizes, round_weight

MOST_WEIGHT = 64
"""Largest weight, in steps. Of twice as many the sum of two products may exceed the 16 bits that
processors without VNNI add them in, and answers would depend on the processor."""

STEPS = 255
"""Steps from the least to the largest number of a row."""

LEAST_ROWS = 1000
"""Rows from which a table counts as a vocabulary and is kept in half precision."""


def quantise(model: onnx.ModelProto, moments: Moments | None = None) -> onnx.ModelProto:
    """The graph with products by a weight in 8 bits, and its tables in half precision.

    Sums, norms and attention stay in f32.

    Parameters
    ----------
    moments : of what enters each product, see `models.rounding`; None: each weight is rounded for
        itself, and every product is made in 8 bits
    """
    quantised = onnx.ModelProto()
    quantised.CopyFrom(model)
    graph = quantised.graph
    del graph.node[:], graph.initializer[:]
    writer = _Writer(model.graph, graph, moments)
    for node in model.graph.node:
        writer.add(node)
    writer.add_weights()
    return quantised


def pack(
    weight: NDArray[np.float32], moments: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers of at most `MOST_WEIGHT`, shape (k, n), and the scale of each column, (n,).

    Parameters
    ----------
    moments : of what enters the product, shape (k, k); None: each weight is rounded for itself
    """
    scales = np.abs(weight).max(axis=0) / MOST_WEIGHT
    steps = np.where(scales == 0, 1, scales)
    if moments is None:
        packed = np.rint(weight / steps).astype(np.int8)
    else:
        packed = round_weight(weight, steps, moments, MOST_WEIGHT)
    return packed, scales.astype(np.float32)


class _Writer:
    """Copies a graph node by node, products and lookups in other words."""

    def __init__(
        self, source: onnx.GraphProto, graph: onnx.GraphProto, moments: Moments | None
    ) -> None:
        self._weights = {tensor.name: tensor for tensor in source.initializer}
        self._graph = graph
        self._moments = moments
        self._made: dict[str, onnx.TensorProto] = {}
        self._rounded: set[str] = set()

    def add(self, node: onnx.NodeProto) -> None:
        if node.op_type == "MatMul" and self._is_packed(self._dims(node.input[1])):
            self._graph.node.extend(self._product(node))
        elif node.op_type == "Gather" and self._is_vocabulary(node.input[0]):
            self._graph.node.extend(self._lookup(node))
        else:
            self._graph.node.append(node)

    def add_weights(self) -> None:
        """What the new nodes need, and of the old weights those that are still used."""
        used = {name for node in self._graph.node for name in node.input}
        kept = [tensor for name, tensor in self._weights.items() if name in used]
        self._graph.initializer.extend([*kept, *self._made.values()])

    def _dims(self, name: str) -> tuple[int, ...]:
        return tuple(self._weights[name].dims) if name in self._weights else ()

    def _is_packed(self, dims: tuple[int, ...]) -> bool:
        return len(dims) == 2 and (self._moments is None or dims[0] <= dims[1])

    def _is_vocabulary(self, name: str) -> bool:
        dims = self._dims(name)
        return len(dims) == 2 and dims[0] >= LEAST_ROWS

    def _make(self, values: NDArray[np.generic], name: str) -> str:
        if name not in self._made:
            self._made[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def _product(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """With x = least + step * q and w = scale * p, the product is
        scale * (step * (q @ p) + least * sum(p)).
        """
        entered, weight = node.input
        values = numpy_helper.to_array(self._weights[weight])
        read, moments = entered, None
        if self._moments is not None:
            read, sizes = f"{entered}.even", even_sizes(self._moments[entered])
            moments = self._moments[entered] / np.outer(sizes, sizes)
            values = values * sizes[:, None]
        packed, scales = pack(values, moments)
        whole = self._make(packed, f"{weight}.packed")
        sums = self._make(packed.sum(axis=0, dtype=np.int64).astype(np.float32), f"{weight}.sums")
        columns = self._make(scales, f"{weight}.scale")
        if entered not in self._rounded:  # several products may read the same
            self._rounded.add(entered)
            if read != entered:
                evened = self._make(1 / sizes, f"{entered}.sizes")
                yield helper.make_node("Mul", [entered, evened], [read])
            yield from self._round(read)
        [output] = node.output
        yield helper.make_node("MatMulInteger", [f"{read}.q", whole], [f"{output}.whole"])
        yield helper.make_node(
            "Cast", [f"{output}.whole"], [f"{output}.float"], to=TensorProto.FLOAT
        )
        yield helper.make_node("Mul", [f"{output}.float", f"{read}.step"], [f"{output}.steps"])
        yield helper.make_node("Mul", [f"{read}.least", sums], [f"{output}.shift"])
        yield helper.make_node("Add", [f"{output}.steps", f"{output}.shift"], [f"{output}.sum"])
        yield helper.make_node("Mul", [f"{output}.sum", columns], [output])

    def _round(self, name: str) -> Iterator[onnx.NodeProto]:
        """Each row as whole numbers from 0 to `STEPS`, with its least number and its step."""
        each = self._make(np.array(1 / STEPS, np.float32), "row.each")
        tiny = self._make(np.array(np.finfo(np.float32).tiny, np.float32), "row.tiny")
        least, step = f"{name}.least", f"{name}.step"
        yield helper.make_node("ReduceMin", [name], [least], axes=[-1], keepdims=1)
        yield helper.make_node("ReduceMax", [name], [f"{name}.largest"], axes=[-1], keepdims=1)
        yield helper.make_node("Sub", [f"{name}.largest", least], [f"{name}.range"])
        yield helper.make_node("Mul", [f"{name}.range", each], [f"{name}.part"])
        yield helper.make_node("Max", [f"{name}.part", tiny], [step])
        yield helper.make_node("Sub", [name, least], [f"{name}.above"])
        yield helper.make_node("Div", [f"{name}.above", step], [f"{name}.divided"])
        yield helper.make_node("Round", [f"{name}.divided"], [f"{name}.nearest"])
        yield helper.make_node("Cast", [f"{name}.nearest"], [f"{name}.q"], to=TensorProto.UINT8)

    def _lookup(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        table = numpy_helper.to_array(self._weights[node.input[0]]).astype(np.float16)
        name, found = self._make(table, f"{node.input[0]}.half"), f"{node.output[0]}.half"
        yield helper.make_node("Gather", [name, node.input[1]], [found], name=node.name, axis=0)
        yield helper.make_node("Cast", [found], list(node.output), to=TensorProto.FLOAT)
