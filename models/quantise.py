"""Weights of an ONNX graph in 8 bits: a third of the memory, twice the speed.

A product by a weight is made of whole numbers: each column of the weight has a scale, and each row
that comes in, a token, gets a step of its own when it comes. The dynamic quantisation of ONNX
Runtime has one scale for all rows of a call, so that a ticket's answer depends on the others in its
batch; blocks of 32 weights (`MatMulNBits`) are more exact and a sixth faster than f32.

Where it is known what enters the products, weights are rounded together (`models.rounding`), and
the few columns with the largest numbers stay in f32 beside the rest, whose steps they would set
(Dettmers et al., "LLM.int8(): 8-bit Matrix Multiplication for Transformers at Scale", NeurIPS
2022). Products that narrow then have one range for all rows, fixed beforehand: their inputs are
four times as wide, and to look for the range of each row takes longer than the product. Beyond it
numbers are cut off.

Short of 1 by so many in 100,000 was the mean cosine of vectors of 400 tickets with those of f32,
and so many milliseconds took one (processor time, one thread, eight tickets a call, AMD with
AVX512 and VNNI, busy), of a fine-tuned network of two layers and the published encoder's six:

|                                                | 2 layers      | 6 layers       |
|------------------------------------------------|---------------|----------------|
| f32                                            | 0, 1.73 ms    | 0, 5.3 ms      |
| columns evened out, narrow products in f32     | 8.7, 1.19 ms  | 40.0, 3.9 ms   |
| **this**                                       | 9.6, 0.78 ms  | 40.4, 2.6 ms   |
| this, narrow products in f32                   | 4.8, 1.11 ms  | 21.0, 3.8 ms   |

Columns apart took the loss of widening products from 14.4 to 4.8 and that of narrowing ones from
7.4 to 3.0; evening narrow ones out (SmoothQuant) had made theirs 26.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.rounding import Entering, round_weight

MOST_WEIGHT = 64
"""Largest weight, in steps. Of twice as many the sum of two products may exceed the 16 bits that
processors without VNNI add them in, and answers would depend on the processor."""

STEPS = 255
"""Steps from the least to the largest number of a row, or of all rows."""

APART = 48
"""Of so many columns of an input one stays in f32, and one at least."""

ZERO = 128
"""Whole number of 0 where a row reaches as far below it as above."""

CONTRIB = "com.microsoft"
"""Domain of what only ONNX Runtime computes."""

LEAST_ROWS = 1000
"""Rows from which a table counts as a vocabulary and is kept in half precision."""


def quantise(
    model: onnx.ModelProto, entering: Mapping[str, Entering] | None = None
) -> onnx.ModelProto:
    """The graph with products by a weight in 8 bits, and its tables in half precision.

    Sums, norms and attention stay in f32.

    Parameters
    ----------
    entering : what enters each product, from `models.rounding.measure_entering`; None: each weight
        is rounded for itself, and each row has a least number of its own beside its step
    """
    quantised = onnx.ModelProto()
    quantised.CopyFrom(model)
    graph = quantised.graph
    del graph.node[:], graph.initializer[:]
    writer = _Writer(model.graph, graph, entering)
    for node in model.graph.node:
        writer.add(node)
    writer.add_weights()
    quantised.opset_import.append(helper.make_opsetid(CONTRIB, 1))
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
        self,
        source: onnx.GraphProto,
        graph: onnx.GraphProto,
        entering: Mapping[str, Entering] | None,
    ) -> None:
        self._weights = {tensor.name: tensor for tensor in source.initializer}
        self._graph = graph
        self._entering = entering
        self._made: dict[str, onnx.TensorProto] = {}
        self._rounded: set[str] = set()

    def add(self, node: onnx.NodeProto) -> None:
        if node.op_type == "MatMul" and len(self._dims(node.input[1])) == 2:
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

    def _is_vocabulary(self, name: str) -> bool:
        dims = self._dims(name)
        return len(dims) == 2 and dims[0] >= LEAST_ROWS

    def _make(self, values: NDArray[np.generic] | np.generic, name: str) -> str:
        if name not in self._made:
            self._made[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def _product(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        entered, name = node.input
        weight = numpy_helper.to_array(self._weights[name])
        if self._entering is None:
            yield from self._of_any_rows(entered, name, weight, node.output[0])
            return
        known = self._entering[entered]
        apart = known.largest(max(1, len(weight) // APART))
        rest = weight.copy()
        rest[apart] = 0
        exact = f"{node.output[0]}.exact"
        narrow = weight.shape[0] > weight.shape[1]
        if entered not in self._rounded:  # several products may read the same
            self._rounded.add(entered)
            columns = self._make(apart, f"{entered}.columns")
            yield helper.make_node("Gather", [entered, columns], [f"{entered}.apart"], axis=-1)
            if narrow:
                yield self._round_to_range(entered, *known.range_without(apart))
            else:
                yield from self._round_rows(entered, apart, len(weight))
        packed = self._pack(name, rest, known.moments)
        beside = self._make(weight[apart], f"{name}.apart")
        yield helper.make_node("MatMul", [f"{entered}.apart", beside], [exact])
        whole = f"{node.output[0]}.whole"
        if narrow:
            scale, zero = f"{entered}.step", f"{entered}.zero"
            yield self._whole(entered, packed, scale, zero, whole)
        else:
            one, zero = self._one(), self._make(np.uint8(ZERO), "row.zero")
            yield self._whole(entered, packed, one, zero, f"{whole}.steps")
            yield helper.make_node("Mul", [f"{whole}.steps", f"{entered}.step"], [whole])
        yield helper.make_node("Add", [whole, exact], list(node.output))

    def _of_any_rows(
        self, entered: str, name: str, weight: NDArray[np.float32], output: str
    ) -> Iterator[onnx.NodeProto]:
        """With x = least + step * q and w = scale * p, the product is
        step * scale * (q @ p) + least * scale * sum(p).
        """
        if entered not in self._rounded:
            self._rounded.add(entered)
            yield from self._round_from_least(entered)
        packed, scales = pack(weight)
        sums = (packed.sum(axis=0, dtype=np.int64) * scales).astype(np.float32)
        parts = (self._make(packed, f"{name}.packed"), self._make(scales, f"{name}.scale"))
        zero = self._make(np.uint8(0), "row.none")
        yield self._whole(entered, parts, self._one(), zero, f"{output}.whole")
        yield helper.make_node("Mul", [f"{output}.whole", f"{entered}.step"], [f"{output}.steps"])
        shift = [f"{entered}.least", self._make(sums, f"{name}.sums")]
        yield helper.make_node("Mul", shift, [f"{output}.shift"])
        yield helper.make_node("Add", [f"{output}.steps", f"{output}.shift"], [output])

    def _pack(
        self, name: str, weight: NDArray[np.float32], moments: NDArray[np.float64]
    ) -> tuple[str, str]:
        packed, scales = pack(weight, moments)
        return self._make(packed, f"{name}.packed"), self._make(scales, f"{name}.scale")

    def _one(self) -> str:
        return self._make(np.float32(1), "row.one")

    def _whole(
        self, entered: str, packed: tuple[str, str], scale: str, zero: str, output: str
    ) -> onnx.NodeProto:
        """The product of whole numbers, times both scales."""
        weight, scales = packed
        inputs = [f"{entered}.q", weight, scale, scales, zero]
        return helper.make_node("MatMulIntegerToFloat", inputs, [output], domain=CONTRIB)

    def _round_to_range(self, name: str, least: float, most: float) -> onnx.NodeProto:
        """All rows as whole numbers by one step; what lies outside the range is cut off."""
        step = np.float32(max(most - least, float(np.finfo(np.float32).tiny)) / STEPS)
        scale = self._make(step, f"{name}.step")
        zero = self._make(np.uint8(np.rint(-least / step)), f"{name}.zero")
        return helper.make_node("QuantizeLinear", [name, scale, zero], [f"{name}.q"])

    def _round_rows(
        self, name: str, apart: NDArray[np.int64], width: int
    ) -> Iterator[onnx.NodeProto]:
        """Each row by a step of its own, columns apart as 0."""
        kept = np.ones(width, np.float32)
        kept[apart] = 0
        half = self._make(np.float32(1 / (STEPS - ZERO)), "row.half")
        rest = f"{name}.rest"
        yield helper.make_node("Mul", [name, self._make(kept, f"{name}.kept")], [rest])
        yield helper.make_node("Abs", [rest], [f"{name}.size"])
        yield helper.make_node("ReduceMax", [f"{name}.size"], [f"{name}.most"], axes=[-1])
        yield from self._in_steps(name, rest, f"{name}.most", half, "row.zero", ZERO)

    def _round_from_least(self, name: str) -> Iterator[onnx.NodeProto]:
        """Each row by its least number and a step of its own."""
        each = self._make(np.float32(1 / STEPS), "row.each")
        least = f"{name}.least"
        yield helper.make_node("ReduceMin", [name], [least], axes=[-1])
        yield helper.make_node("ReduceMax", [name], [f"{name}.most"], axes=[-1])
        yield helper.make_node("Sub", [f"{name}.most", least], [f"{name}.range"])
        yield helper.make_node("Sub", [name, least], [f"{name}.above"])
        yield from self._in_steps(name, f"{name}.above", f"{name}.range", each, "row.none", 0)

    def _in_steps(
        self, name: str, rest: str, size: str, part: str, zero: str, value: int
    ) -> Iterator[onnx.NodeProto]:
        """Numbers divided by a part of their row's size, as whole ones."""
        tiny = self._make(np.float32(np.finfo(np.float32).tiny), "row.tiny")
        inputs = [f"{name}.divided", self._one(), self._make(np.uint8(value), zero)]
        yield helper.make_node("Mul", [size, part], [f"{name}.part"])
        yield helper.make_node("Max", [f"{name}.part", tiny], [f"{name}.step"])
        yield helper.make_node("Div", [rest, f"{name}.step"], [f"{name}.divided"])
        yield helper.make_node("QuantizeLinear", inputs, [f"{name}.q"])

    def _lookup(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        table = numpy_helper.to_array(self._weights[node.input[0]]).astype(np.float16)
        name, found = self._make(table, f"{node.input[0]}.half"), f"{node.output[0]}.half"
        yield helper.make_node("Gather", [name, node.input[1]], [found], name=node.name, axis=0)
        yield helper.make_node("Cast", [found], list(node.output), to=TensorProto.FLOAT)
