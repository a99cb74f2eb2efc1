"""Weights as whole numbers so that what a layer gives changes least, not each weight.

Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers",
ICLR 2023: the rows of a weight are rounded one after the other, and what one loses the rows still
to come make up for, as far as the inputs that go with them are alike. Rows whose inputs are large
come first, as they have the most to be made up for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

DAMPING = 0.01
"""Added to the diagonal of the moments, as a share of its mean; the value of the paper."""

EVERY = 4
"""Of the rows that enter a product one in so many is kept: their extremes tell its range."""

USUAL = 0.99
"""Share of the rows that a range fixed beforehand holds whole; of the others it cuts numbers off.

At 0.98 and 0.995 vectors were as near to those of f32, at 1 the range is set by a few rows.
"""

RARE = 0.999
"""Share of a column's numbers that its size is told by."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Entering:
    """What enters a product by a weight.

    Attributes
    ----------
    moments : mean of x xᵀ over all rows, shape (k, k)
    rows : some of them, shape (n, k)
    """

    moments: NDArray[np.float64]
    rows: Floats

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """How large the numbers of each column may be, shape (k,)."""
        return np.quantile(np.abs(self.rows), RARE, axis=0)

    def largest(self, count: int) -> NDArray[np.int64]:
        """The columns with the largest numbers, in order; shape (count,)."""
        return np.sort(np.argsort(-self.sizes, kind="stable")[:count]).astype(np.int64)

    def range_without(self, columns: NDArray[np.int64]) -> tuple[float, float]:
        """Where the numbers of `USUAL` rows lie, columns left out: at most 0, at least 0."""
        rows = np.delete(self.rows, columns, axis=1)
        least = np.quantile(rows.min(axis=1), 1 - USUAL)
        most = np.quantile(rows.max(axis=1), USUAL)
        return min(0.0, float(least)), max(0.0, float(most))


def round_weight(
    weight: NDArray[np.float32],
    scales: NDArray[np.float32],
    moments: NDArray[np.float64],
    most: int,
) -> NDArray[np.int8]:
    """Whole numbers of at most `most` for a weight of shape (k, n).

    Parameters
    ----------
    scales : of one step in each column, shape (n,), above 0
    moments : of what enters the product, shape (k, k)
    """
    order = np.argsort(-np.diag(moments), kind="stable")
    left = weight[order].astype(np.float64)
    ordered = moments[np.ix_(order, order)]
    damped = ordered + DAMPING * np.mean(np.diag(moments)) * np.eye(len(moments))
    # uᵀu is the inverse: its row tells how the rows to come make up for this one.
    shares = np.linalg.cholesky(np.linalg.inv(damped)).T
    rounded = np.zeros(weight.shape, dtype=np.int8)
    for row in range(len(left)):
        whole = np.clip(np.rint(left[row] / scales), -most, most)
        rounded[order[row]] = whole.astype(np.int8)
        lost = (left[row] - whole * scales) / shares[row, row]
        left[row + 1 :] -= np.outer(shares[row, row + 1 :], lost)
    return rounded


def measure_entering(
    model: onnx.ModelProto, calls: Iterable[Mapping[str, NDArray[Any]]]
) -> dict[str, Entering]:
    """Name of what enters a product by a weight -> what that was, over some calls of a graph.

    Parameters
    ----------
    calls : inputs of the graph, without padding
    """
    import onnxruntime

    told = onnx.ModelProto()
    told.CopyFrom(model)
    weights = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    names = sorted(
        {
            node.input[0]
            for node in model.graph.node
            if node.op_type == "MatMul" and node.input[1] in weights
        }
    )
    told.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(
        told.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    sums: dict[str, NDArray[np.float64]] = {}
    kept: dict[str, list[Floats]] = {name: [] for name in names}
    counts = dict.fromkeys(names, 0)
    for inputs in calls:
        for name, found in zip(names, session.run(names, dict(inputs)), strict=True):
            rows = found.reshape(-1, found.shape[-1])
            # Counted through all calls, so that not the first token of each is always there.
            kept[name].append(rows[-counts[name] % EVERY :: EVERY].copy())
            entered = rows.astype(np.float64)
            sums[name] = sums.get(name, 0) + entered.T @ entered
            counts[name] += len(rows)
    return {name: Entering(sums[name] / counts[name], np.concatenate(kept[name])) for name in names}
