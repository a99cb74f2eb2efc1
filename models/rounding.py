"""Weights as whole numbers so that what a layer gives changes least, not each weight.

Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers",
ICLR 2023: the rows of a weight are rounded one after the other, and what one loses the rows still
to come make up for, as far as the inputs that go with them are alike.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

DAMPING = 0.01
"""Added to the diagonal of the moments, as a share of its mean; the value of the paper."""

LEAST_SHARE = 1e-3
"""Of the usual size of a column, what one counts as that never entered."""

Moments = Mapping[str, NDArray[np.float64]]
"""Name of what enters a product -> mean of x xᵀ over the rows that entered, shape (k, k)."""


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
    left = weight.astype(np.float64)
    damped = moments + DAMPING * np.mean(np.diag(moments)) * np.eye(len(moments))
    # uᵀu is the inverse: its row tells how the rows to come make up for this one.
    shares = np.linalg.cholesky(np.linalg.inv(damped)).T
    rounded = np.zeros(weight.shape, dtype=np.int8)
    for row in range(len(left)):
        whole = np.clip(np.rint(left[row] / scales), -most, most)
        rounded[row] = whole.astype(np.int8)
        lost = (left[row] - whole * scales) / shares[row, row]
        left[row + 1 :] -= np.outer(shares[row, row + 1 :], lost)
    return rounded


def even_sizes(moments: NDArray[np.float64]) -> NDArray[np.float32]:
    """What each column of an input is divided by, shape (k,): the root of its usual size.

    A few columns are many times as large as the others and would set the steps of all; the weight
    is multiplied by the same (Xiao et al., "SmoothQuant", ICML 2023, with α 0.5).
    """
    sizes = np.sqrt(np.diag(moments))
    shares = sizes / max(sizes.mean(), np.finfo(np.float32).tiny)
    roots: NDArray[np.float32] = np.sqrt(shares + LEAST_SHARE).astype(np.float32)
    return roots


def measure_moments(
    model: onnx.ModelProto, calls: Iterable[Mapping[str, NDArray[Any]]]
) -> dict[str, NDArray[np.float64]]:
    """The moments of what enters each product by a weight, over some calls of a graph.

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
    rows = dict.fromkeys(names, 0)
    for inputs in calls:
        for name, found in zip(names, session.run(names, dict(inputs)), strict=True):
            entered = found.reshape(-1, found.shape[-1]).astype(np.float64)
            sums[name] = sums.get(name, 0) + entered.T @ entered
            rows[name] += len(entered)
    return {name: total / rows[name] for name, total in sums.items()}
