"""One pass of an encoder that serves several: what its lowest layers make of a text is kept.

The fine-tuned member leaves its lowest layers as they were published, and so do the readers of
sentiment and of entities. A ticket passes those layers once; each goes on from there on its own.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from models.batching import batches_by_length, pad_tokens, tokenise
from models.encoders import reduced_precision
from models.frozen_states import pass_layers

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@torch.inference_mode()
def encode_with_states(
    encoder: "SentenceTransformer", texts: Sequence[str], layers: int
) -> tuple[NDArray[np.float32], list[torch.Tensor]]:
    """Mean-pooled vectors, and what the lowest layers made of each text on the way there.

    Parameters
    ----------
    layers : the states above so many of the lowest layers are kept

    Returns
    -------
    vectors : shape (n, dimension), those that `models.encoders.encode_texts` gives of an encoder
        that does not normalise
    states : half precision, shape (length, dimension) each, as `sentiment_network.lower_states`
        gives them
    """
    network, device = encoder[0].auto_model, encoder.device
    vectors = np.zeros((len(texts), encoder.get_embedding_dimension() or 0), dtype=np.float32)
    states: list[torch.Tensor] = [torch.empty(0)] * len(texts)
    tokens = tokenise(encoder, texts) if texts else []
    for rows in batches_by_length(tokens):
        ids, mask = pad_tokens([tokens[row] for row in rows], device)
        with reduced_precision(device.type):
            lower = pass_layers(network, network.embeddings(input_ids=ids), mask, 0, layers)
            upper = pass_layers(network, lower, mask, layers, len(network.encoder.layer))
        weight = mask.unsqueeze(-1)
        pooled = (upper.float() * weight).sum(1) / weight.sum(1)
        vectors[rows] = pooled.cpu().numpy()
        for row, found in zip(rows, lower.cpu(), strict=True):
            states[row] = found[: len(tokens[row])].half()
    return vectors, states


def lower_digest(encoder: "SentenceTransformer", layers: int) -> str:
    """sha256 of the embeddings and the lowest layers, by name; equal ones can be shared."""
    network = encoder[0].auto_model
    digest = hashlib.sha256()
    for module in (network.embeddings, *network.encoder.layer[:layers]):
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
            # A mean of equal weights turns -0.0 into 0.0: the same number, other bytes.
            digest.update((tensor.detach().cpu().float() + 0.0).numpy().tobytes())
    return digest.hexdigest()
