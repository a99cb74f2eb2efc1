"""The chain of tags, against counting out every sequence."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from data.conll import spans_of, tags_of
from models.tagger_crf import Chain
from models.tagger_decoding import best_tags

TAGS = ("O", "B-a", "I-a", "B-b", "I-b")


@pytest.fixture
def chain() -> Chain:
    torch.manual_seed(3)
    chain = Chain(TAGS)
    for parameter in chain.parameters():
        torch.nn.init.normal_(parameter)
    return chain


def score(chain: Chain, emissions: torch.Tensor, path: tuple[int, ...]) -> float:
    steps, first, last = (x.detach() for x in chain.scores())
    total = first[path[0]] + last[path[-1]] + sum(emissions[i, t] for i, t in enumerate(path))
    return float(total + sum(steps[a, b] for a, b in pairwise(path)))


def test_the_loss_is_the_likelihood_counted_out(chain: Chain) -> None:
    emissions = torch.randn(2, 4, len(TAGS))
    tags = torch.tensor([[0, 1, 2, 0], [3, 4, 0, 0]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    found = chain.loss(emissions, tags, mask)
    for row, length in ((0, 4), (1, 2)):
        every = [
            score(chain, emissions[row], path) for path in product(range(len(TAGS)), repeat=length)
        ]
        gold = score(chain, emissions[row], tuple(tags[row, :length].tolist()))
        assert found[row].item() == pytest.approx(np.logaddexp.reduce(every) - gold, abs=1e-3)


def test_the_best_sequence_is_the_best_of_all(chain: Chain) -> None:
    emissions = torch.randn(4, len(TAGS))
    steps, first, last = (x.detach().numpy() for x in chain.scores())
    found = best_tags(emissions.numpy(), steps, first, last)
    every = product(range(len(TAGS)), repeat=4)
    assert tuple(found) == max(every, key=lambda path: score(chain, emissions, path))


def test_no_sequence_that_bio_forbids_is_given(chain: Chain) -> None:
    random = np.random.default_rng(0)
    steps, first, last = (x.detach().numpy() for x in chain.scores())
    for _ in range(50):
        emissions = random.normal(0, 10, (6, len(TAGS))).astype(np.float32)
        tags = [TAGS[i] for i in best_tags(emissions, steps, first, last)]
        assert tags_of(spans_of(tags), len(tags)) == tags
