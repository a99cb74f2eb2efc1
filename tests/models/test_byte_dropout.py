"""Masks drawn as bytes: the right share, the same from the same seeds, none when not training."""

from collections import Counter

import pytest
import torch

from models.byte_dropout import ByteDraws, ByteDropout, draw_bytes, is_attention
from models.encoders import find_encoder, open_encoder


def drawn(*seeds: int) -> torch.Tensor:
    draws = ByteDraws()
    dropout = ByteDropout(0.25, draws)
    draws.begin(*seeds)
    return dropout(torch.ones(400, 250))


def test_a_mask_drops_the_share_asked_for_and_keeps_the_mean() -> None:
    dropped = drawn(1)
    assert dropped.unique().tolist() == pytest.approx([0.0, 256 / 192])
    # Five standard deviations of the share among 100,000 draws.
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.007)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)


def test_the_same_seeds_draw_the_same_and_others_do_not() -> None:
    assert torch.equal(drawn(1, 7), drawn(1, 7))
    assert not torch.equal(drawn(1, 7), drawn(1, 8))
    assert not torch.equal(drawn(1, 7), drawn(2, 7))


def test_the_least_rate_drops_something_and_one_that_keeps_nothing_is_refused() -> None:
    draws = ByteDraws()
    draws.begin(1)
    dropped = ByteDropout(0.0001, draws)(torch.ones(400, 250))
    assert float((dropped == 0).float().mean()) == pytest.approx(1 / 256, abs=0.001)
    with pytest.raises(ValueError, match="keeps nothing"):
        ByteDropout(0.999, draws)


def test_nothing_is_dropped_outside_of_training_and_gradients_are_those_of_what_is_kept() -> None:
    draws = ByteDraws()
    draws.begin(1)
    dropout = ByteDropout(0.5, draws)
    ones = torch.ones(50, 50, requires_grad=True)
    kept = dropout(ones)
    kept.sum().backward()
    assert ones.grad is not None
    assert torch.equal(ones.grad, kept.detach())
    assert dropout.eval()(ones) is ones


def test_all_dropout_of_an_encoder_is_replaced_but_that_of_attention() -> None:
    network = open_encoder(find_encoder("minilm"), 16, normalise=False)[0].auto_model

    def kinds() -> Counter[type[torch.nn.Module]]:
        return Counter(type(module) for module in network.modules())

    before = kinds()
    layers = len(network.encoder.layer)
    replaced = draw_bytes(network, ByteDraws())
    assert kinds()[torch.nn.Dropout] == layers == sum(map(is_attention, network.modules()))
    assert kinds()[ByteDropout] == len(replaced) == 2 * layers + 1
    for one in replaced:
        one.put_back()
    assert kinds() == before
