"""What training changes in the network for its own time, and puts back."""

from collections import Counter

import numpy as np
import pytest
import torch

from models.encoders import find_encoder, open_encoder
from models.tagger import EntityTagger
from models.tagger_network import TaggerParams
from models.tagger_training import _draw_faster, _Dropout

SENTENCES = [["the", "printer", "hums"], ["a", "scanner", "fails"]] * 4
TAGS = [["O", "B-device", "O"]] * 8


@pytest.fixture
def tagger() -> EntityTagger:
    params = TaggerParams(frozen_layers=5, upper_layers=1, epochs=1)
    encoder = open_encoder(find_encoder("minilm"), params.max_pieces, normalise=False)
    return EntityTagger(params, seed=3, encoder=encoder).fit(SENTENCES, TAGS)


def kinds(tagger: EntityTagger) -> Counter[type[torch.nn.Module]]:
    return Counter(type(module) for module in tagger.network.modules())


def test_a_trained_network_has_the_dropout_of_torch_again(tagger: EntityTagger) -> None:
    assert kinds(tagger)[torch.nn.Dropout] > 1
    assert not kinds(tagger)[_Dropout]


def test_all_dropout_is_drawn_faster_but_that_of_attention(tagger: EntityTagger) -> None:
    layers = len(tagger.network.upper)
    replaced = _draw_faster(tagger.network, seed=1)
    assert kinds(tagger)[torch.nn.Dropout] == layers
    assert kinds(tagger)[_Dropout] == len({id(module) for _, _, module in replaced})


def test_a_mask_drops_the_share_asked_for_and_keeps_the_mean() -> None:
    ones = torch.ones(400, 250)
    dropped = _Dropout(0.25, np.random.Generator(np.random.SFC64(1)))(ones)
    assert dropped.unique().tolist() == pytest.approx([0.0, 256 / 192])
    # Five standard deviations of the share among 100,000 draws.
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.007)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)
