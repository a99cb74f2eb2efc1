"""What the frozen layers make of a text: the same as the whole network, and only once."""

import numpy as np
import pytest
import torch

from models import frozen_states
from models.batching import pad_states, pad_tokens, tokenise
from models.encoders import find_encoder, open_encoder
from models.frozen_states import FrozenStates, pass_layers

TEXTS = ["printer on fire", "the vpn drops every ten minutes since the update", "hi", "hi"]


@pytest.fixture(scope="module")
def encoder():
    return open_encoder(find_encoder("minilm"), 24, normalise=False)


def test_frozen_layers_then_the_rest_are_the_whole_network(encoder) -> None:
    tokens = tokenise(encoder, TEXTS)
    states = FrozenStates(3).of(encoder, TEXTS, tokens)
    assert [tuple(s.shape) for s in states] == [(len(t), 384) for t in tokens]
    network = encoder[0].auto_model
    with torch.inference_mode():
        hidden, mask = pad_states(states, np.arange(4), encoder.device)
        found = pass_layers(network, hidden, mask, 3, 6)
        ids, whole_mask = pad_tokens(tokens, encoder.device)
        whole = network(input_ids=ids, attention_mask=whole_mask).last_hidden_state
    assert torch.equal(mask, whole_mask)
    # bfloat16 in the lower layers and half precision between: 3 digits of values around 1.
    for row, length in enumerate(mask.sum(1).tolist()):
        together = torch.nn.functional.cosine_similarity(
            found[row, :length].float(), whole[row, :length].float(), dim=-1
        )
        assert together.min() > 0.999


def test_a_text_passes_the_frozen_layers_once(encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[int] = []
    real = FrozenStates._pass

    def counted(self, encoder, tokens):
        passed.append(len(tokens))
        return real(self, encoder, tokens)

    monkeypatch.setattr(frozen_states.FrozenStates, "_pass", counted)
    frozen, told = FrozenStates(2), []
    first = frozen.of(
        encoder, TEXTS, tokenise(encoder, TEXTS), lambda share, text: told.append(text)
    )
    again = frozen.of(encoder, TEXTS[1:], tokenise(encoder, TEXTS[1:]))
    assert sum(passed) == len(set(TEXTS))
    assert told == ["frozen layers 100%"]
    assert all(a is b for a, b in zip(first[1:], again, strict=True))


def test_no_layer_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        FrozenStates(0)
