"""Trained networks as ONNX graphs, the same network the same bytes."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import onnx
import torch
from onnx import numpy_helper
from safetensors.numpy import save_file

from models.mapped_tensors import tensor_places
from models.precision import full_precision
from models.runtime_file import table_file
from models.tagger import EntityTagger
from models.tagger_features import CHARACTERS, FLAGS, PARTS
from models.tagger_network import TaggerNetwork

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

OPSET = 17

MASKED = -1e4
"""Added to the attention that goes to padding: its exponential is 0, also in bfloat16."""

TABLE = 4 << 20
"""Bytes of a weight that gets a file beside its graph's; a layer's have less."""

MAX_BYTES = 2**31
"""Of a file that holds its weights itself."""

Axes = Mapping[str, Mapping[int, str]]
"""Input -> the axes whose length may differ from call to call, and their names."""


def export_encoder(encoder: "SentenceTransformer") -> onnx.ModelProto:
    """The graph of a sentence encoder with mean pooling.

    Inputs `tokens` and `mask`, int64 of shape (b, length); output `vectors`, f32 of shape
    (b, dimension), not normalised.
    """
    return _trace(
        _MeanPooled(encoder[0].auto_model),
        {"tokens": _ids(2, 8), "mask": torch.ones(2, 8, dtype=torch.long)},
        {name: {0: "b", 1: "length"} for name in ("tokens", "mask")},
        "vectors",
    )


def export_tagger(tagger: EntityTagger) -> onnx.ModelProto:
    """The graph of a tagger, the frozen layers below it included.

    Inputs `tokens` and `mask`, int64 of shape (b, pieces), and those of
    `models.tagger_inputs.WordInputs`; output `emissions`, f32 of shape (b, words, n_tags).
    """
    trained = tagger.network
    b, words, pieces = 2, 4, 8
    owner = torch.zeros(b, words, pieces)
    owner[:, range(words), range(1, words + 1)] = 1
    inputs = {
        "tokens": _ids(b, pieces),
        "mask": torch.ones(b, pieces, dtype=torch.long),
        "owner": owner,
        "hashes": torch.zeros(b, words, 2 * PARTS, dtype=torch.long),
        "flags": torch.zeros(b, words, FLAGS),
        "characters": torch.zeros(b, words, CHARACTERS, dtype=torch.long),
        "lexicon": torch.zeros(b, words, tagger.lexicon.width),
    }
    axes: dict[str, dict[int, str]] = {name: {0: "b", 1: "words"} for name in inputs}
    axes |= {name: {0: "b", 1: "pieces"} for name in ("tokens", "mask")}
    axes["owner"] = {0: "b", 1: "words", 2: "pieces"}
    encoder = tagger.encoder[0].auto_model
    network = _WholeTagger(encoder, trained, tagger.params.frozen_layers)
    return _trace(network, inputs, axes, "emissions")


def write_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph with its weights, the same graph the same bytes.

    Weights of `TABLE` bytes and more, which are tables of words, get a file beside the graph's, see
    `table_file`. An engine maps it: processes that answer share its pages, and hold those alone
    that hold a word they have met.
    """
    told = onnx.ModelProto()
    told.CopyFrom(model)
    large = [one for one in told.graph.initializer if len(one.raw_data) >= TABLE]
    beside = table_file(path)
    beside.unlink(missing_ok=True)
    if large:
        save_file({one.name: numpy_helper.to_array(one) for one in large}, beside)
        places = tensor_places(beside)
        for one in large:
            one.ClearField("raw_data")
            one.data_location = onnx.TensorProto.EXTERNAL
            place = places[one.name]
            length = place.stop - place.start
            facts = {"location": beside.name, "offset": place.start, "length": length}
            for key, value in facts.items():
                one.external_data.add(key=key, value=str(value))
    content = told.SerializeToString(deterministic=True)
    if len(content) >= MAX_BYTES:
        raise ValueError(f"{path.name} would have {len(content)} bytes; one file holds 2 GiB")
    path.write_bytes(content)


class _MeanPooled(torch.nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = self.network.embeddings(input_ids=tokens)
        hidden = _pass(self.network.encoder.layer, hidden, mask)
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        pooled: torch.Tensor = (hidden * weight).sum(1) / weight.sum(1)
        return pooled


class _WholeTagger(torch.nn.Module):
    def __init__(self, encoder: Any, network: TaggerNetwork, layers: int) -> None:
        super().__init__()
        self.embeddings = encoder.embeddings
        self.lower = encoder.encoder.layer[:layers]
        self.network = network

    def forward(
        self, tokens: torch.Tensor, mask: torch.Tensor, owner: torch.Tensor, *shown: torch.Tensor
    ) -> torch.Tensor:
        hidden = _pass(self.lower, self.embeddings(input_ids=tokens), mask)
        form = self.network.form(*shown)
        hidden = _pass(self.network.upper, self.network.lifted(hidden, owner, form), mask)
        return self.network.emissions(hidden, owner, form)


def _pass(layers: Iterable[Any], hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    attention = (1 - mask[:, None, None, :]).to(hidden.dtype) * MASKED  # (b, 1, 1, length)
    for layer in layers:
        hidden = layer(hidden, attention)
    return hidden


def _ids(b: int, length: int) -> torch.Tensor:
    return torch.arange(b * length).view(b, length) + 5


def _trace(
    network: torch.nn.Module, inputs: Mapping[str, torch.Tensor], axes: Axes, output: str
) -> onnx.ModelProto:
    """Follow the inputs through the network, in f32 and on the CPU."""
    quiet = warnings.catch_warnings()
    with TemporaryDirectory() as folder, quiet, full_precision(), torch.inference_mode():
        path = Path(folder) / "traced.onnx"
        # The exporter by tracing is called old, and tells of every branch it sees one side of.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval().cpu(),
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes={**axes, output: {0: "b"}},
            opset_version=OPSET,
            dynamo=False,
        )
        model = onnx.load(path)
    for node in model.graph.node:
        node.doc_string = ""  # lines of the source that was traced
    return model
