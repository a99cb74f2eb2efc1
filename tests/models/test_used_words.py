"""Word embeddings that are shrunk while a network learns, and put back."""

import numpy as np
import torch
from transformers import BertConfig, BertModel

from models.used_words import UsedWords

CONFIG = BertConfig(
    vocab_size=50,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=16,
)
DOCUMENTS = [[2, 30, 41, 3], [2, 7, 3]]


def network() -> BertModel:
    torch.manual_seed(0)
    return BertModel(CONFIG).eval()


def read(model: BertModel, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=torch.tensor([ids])).last_hidden_state
    return found


def test_texts_are_read_as_before() -> None:
    model = network()
    before = [read(model, ids) for ids in DOCUMENTS]
    words = UsedWords(model, DOCUMENTS)
    assert model.get_input_embeddings().weight.shape == (6, 8)  # five that occur, and padding
    for ids, found in zip(words.of(DOCUMENTS), before, strict=True):
        torch.testing.assert_close(read(model, ids), found, rtol=0, atol=0)


def test_padding_keeps_its_id() -> None:
    assert UsedWords(network(), DOCUMENTS).of([[0, 2, 0]]) == [[0, 1, 0]]


def test_what_was_learned_is_put_back_and_the_rest_is_as_it_was() -> None:
    model = network()
    before = model.get_input_embeddings().weight.detach().clone()
    words = UsedWords(model, DOCUMENTS)
    with torch.no_grad():
        model.get_input_embeddings().weight.add_(1.0)
    words.restore()
    after = model.get_input_embeddings().weight.detach()
    changed = np.flatnonzero((after != before).any(dim=1).numpy())
    assert changed.tolist() == [0, 2, 3, 7, 30, 41]
    torch.testing.assert_close(after[changed], before[changed] + 1.0)
