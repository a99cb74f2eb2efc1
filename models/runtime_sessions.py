"""ONNX graphs run by ONNX Runtime or by OpenVINO, behind one call."""

import importlib.util
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import BundleError
from models.runtime import Runtime, Session


def is_installed(runtime: Runtime) -> bool:
    """Whether the engine of a runtime can be imported here."""
    return importlib.util.find_spec(runtime.engine) is not None


def open_session(path: Path, runtime: Runtime, threads: int = 1) -> Session:
    """A graph ready to run.

    Raises
    ------
    BundleError
        If the file is missing or the engine cannot read it.
    """
    if not path.is_file():
        raise BundleError(f"{path} is missing: the runtime {runtime.name} needs it")
    try:
        if runtime.engine == "onnxruntime":
            return OnnxSession(path, threads)
        return OpenvinoSession(path, threads, runtime.precision)
    # Both engines raise kinds of their own, some of them bare Exceptions.
    except Exception as error:
        raise BundleError(
            f"{path} cannot be run by {runtime.name}: {type(error).__name__}"
        ) from error


class OnnxSession:
    """A graph run by ONNX Runtime.

    All graphs of a process take their memory from one pool. Each with one of its own would keep as
    much again, and without any the C library keeps more, in pieces between what others need.
    """

    multiple = 1

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        _share_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
        # Waiting threads that spin take the core from whoever computes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.width = int(self._session.get_outputs()[0].shape[-1])

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The output of the graph; RuntimeError where the engine fails."""
        try:
            [output] = self._session.run(None, dict(inputs))
        # Its kinds have no common ancestor but Exception; a caller degrades on RuntimeError.
        except Exception as error:
            raise RuntimeError(f"ONNX Runtime failed: {type(error).__name__}") from error
        result: NDArray[np.float32] = output
        return result


@cache
def _share_memory() -> None:
    """Let there be a pool for the graphs of this process, filled as they need it."""
    from onnxruntime import (
        OrtAllocatorType,
        OrtArenaCfg,
        OrtMemoryInfo,
        OrtMemType,
        create_and_register_allocator,
    )

    place = OrtMemoryInfo("Cpu", OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, OrtMemType.DEFAULT)
    create_and_register_allocator(place, OrtArenaCfg({"initial_chunk_size_bytes": 1 << 20}))


class OpenvinoSession:
    """A graph run by OpenVINO, in the precision told: left alone it takes what the processor has.

    A shape it has not met yet costs preparation, so lengths come in multiples of 8. Threads are not
    bound to cores, or all workers would share the first.
    """

    multiple = 8

    def __init__(self, path: Path, threads: int, precision: str) -> None:
        import openvino

        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        self._model = openvino.Core().compile_model(str(path), "CPU", settings)
        self._requests = threading.local()
        self.width = int(self._model.output(0).partial_shape[-1].get_length())

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The output of the graph; RuntimeError where the engine fails."""
        if not hasattr(self._requests, "own"):
            self._requests.own = self._model.create_infer_request()
        request = self._requests.own
        request.infer(dict(inputs))
        # The memory of the output is the next call's.
        result: NDArray[np.float32] = request.get_output_tensor(0).data.copy()
        return result
