"""Encoders without torch: the same vectors, whatever engine and batch."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file

from data.errors import BundleError
from models.encoders import TorchEncoder, find_encoder, open_encoder
from models.export import TABLE, export_encoder, write_graph
from models.precision import full_precision
from models.quantise import quantise
from models.runtime import RUNTIMES, Runtime, SessionEncoder, read_tokenizer
from models.runtime_file import table_file
from models.runtime_sessions import open_session

LEAST_COSINE = {"f32": 0.99999, "bf16": 0.999, "int8": 0.99}
TEXTS = [
    "hi",
    "The VPN drops every few minutes, and I restarted the laptop twice.",
    "Impressão: não funciona 🙂",
    "word " * 300,
    "printer",
]


@pytest.fixture(scope="module")
def torch_encoder() -> TorchEncoder:
    return TorchEncoder(open_encoder(find_encoder("minilm"), 32, normalise=False))


@pytest.fixture(scope="module")
def graphs(torch_encoder: TorchEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    graph = export_encoder(torch_encoder.model)
    write_graph(graph, folder / "f32.onnx")
    write_graph(quantise(graph), folder / "int8.onnx")
    return folder


def encoder_of(graphs: Path, runtime: Runtime, *, normalise: bool = False) -> SessionEncoder:
    session = open_session(graphs / f"{runtime.graph}.onnx", runtime)
    tokenizer = find_encoder("minilm") / "tokenizer.json"
    return SessionEncoder(session, tokenizer, 32, normalise=normalise)


@pytest.fixture(scope="module", params=RUNTIMES.values(), ids=lambda runtime: runtime.name)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    return request.param


@pytest.fixture(scope="module")
def encoder(graphs: Path, runtime: Runtime) -> SessionEncoder:
    return encoder_of(graphs, runtime)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_vectors_are_those_of_torch(
    encoder: SessionEncoder, runtime: Runtime, torch_encoder: TorchEncoder
) -> None:
    with full_precision():
        expected = torch_encoder.encode(TEXTS)
    found = encoder.encode(TEXTS)
    assert found.dtype == np.float32
    assert encoder.dimension == torch_encoder.dimension == found.shape[1]
    assert cosines(expected, found).min() > LEAST_COSINE[runtime.precision]
    if runtime.precision == "f32":
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_vector_does_not_depend_on_its_neighbours(
    encoder: SessionEncoder, runtime: Runtime
) -> None:
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    together = encoder.encode(TEXTS * 3)[: len(TEXTS)]
    assert cosines(alone, together).min() > (0.9999 if runtime.precision == "bf16" else 0.99999)


def test_no_texts_give_no_vectors(encoder: SessionEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_vectors_get_length_one_where_asked(graphs: Path) -> None:
    encoder = encoder_of(graphs, RUNTIMES["onnxruntime-f32"], normalise=True)
    np.testing.assert_allclose(np.linalg.norm(encoder.encode(TEXTS), axis=1), 1, atol=1e-6)


def test_the_same_network_gives_the_same_bytes(
    torch_encoder: TorchEncoder, graphs: Path, tmp_path: Path
) -> None:
    graph = export_encoder(torch_encoder.model)
    for written, name in ((graph, "f32.onnx"), (quantise(graph), "int8.onnx")):
        write_graph(written, tmp_path / name)
        for path in (tmp_path / name, table_file(tmp_path / name)):
            assert path.read_bytes() == (graphs / path.name).read_bytes()


def test_8_bits_take_less_than_half(graphs: Path) -> None:
    small, large = (graphs / f"{kind}.onnx" for kind in ("int8", "f32"))
    assert small.stat().st_size < 0.5 * large.stat().st_size
    assert table_file(small).stat().st_size < 0.51 * table_file(large).stat().st_size


def test_a_table_of_words_stands_beside_its_graph(graphs: Path, tmp_path: Path) -> None:
    graph, table = graphs / "int8.onnx", graphs / "int8.safetensors"
    assert table.stat().st_size > TABLE
    weights = onnx.load(graph, load_external_data=False).graph.initializer
    [name] = [one.name for one in weights if one.external_data]
    held = {one.name: one for one in onnx.load(graph).graph.initializer}[name]
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(held), load_file(table)[name])
    shutil.copy(graph, tmp_path)
    with pytest.raises(BundleError, match="cannot be run"):
        open_session(tmp_path / "int8.onnx", RUNTIMES["onnxruntime-int8"])


def test_a_missing_or_broken_graph_is_refused(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="missing"):
        open_session(tmp_path / "none.onnx", runtime)
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match="cannot be run"):
        open_session(tmp_path / "broken.onnx", runtime)


def test_a_failing_engine_is_a_runtime_error_and_tells_no_text(graphs: Path) -> None:
    session = open_session(graphs / "f32.onnx", RUNTIMES["onnxruntime-f32"])
    with pytest.raises(RuntimeError, match="ONNX Runtime failed: InvalidArgument"):
        session.run({"tokens": np.full((1, 4), 10**6), "mask": np.ones((1, 4), np.int64)})


def test_a_broken_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match="no tokenizer"):
        read_tokenizer(tmp_path / "tokenizer.json")
    with pytest.raises(BundleError, match="no tokenizer"):
        read_tokenizer(tmp_path / "none.json")
