"""What training changes in the network for its own time, and puts back."""

from collections import Counter

import torch

from models.byte_dropout import ByteDropout
from models.encoders import find_encoder, open_encoder
from models.tagger import EntityTagger
from models.tagger_network import TaggerParams

SENTENCES = [["the", "printer", "hums"], ["a", "scanner", "fails"]] * 4
TAGS = [["O", "B-device", "O"]] * 8


def test_a_trained_network_has_the_dropout_of_torch_again() -> None:
    params = TaggerParams(frozen_layers=5, upper_layers=1, epochs=1)
    encoder = open_encoder(find_encoder("minilm"), params.max_pieces, normalise=False)
    tagger = EntityTagger(params, seed=3, encoder=encoder).fit(SENTENCES, TAGS)
    kinds = Counter(type(module) for module in tagger.network.modules())
    assert kinds[torch.nn.Dropout] > 1
    assert not kinds[ByteDropout]
