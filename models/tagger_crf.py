"""A linear chain over BIO tags, as it is learned: the likelihood of a sequence.

Lafferty, McCallum and Pereira, "Conditional random fields: probabilistic models for segmenting and
labeling sequence data", ICML 2001.
"""

from collections.abc import Sequence

import torch

from models.tagger_decoding import forbidden_steps


class Chain(torch.nn.Module):
    """Scores of steps from tag to tag, added to the scores of each tag at each word.

    Parameters
    ----------
    tags : BIO tags in column order
    """

    forbidden: torch.Tensor
    forbidden_first: torch.Tensor

    def __init__(self, tags: Sequence[str]) -> None:
        super().__init__()
        n = len(tags)
        self.steps = torch.nn.Parameter(torch.zeros(n, n))
        self.first = torch.nn.Parameter(torch.zeros(n))
        self.last = torch.nn.Parameter(torch.zeros(n))
        steps, first = forbidden_steps(tags)
        self.register_buffer("forbidden", torch.from_numpy(steps), persistent=False)
        self.register_buffer("forbidden_first", torch.from_numpy(first), persistent=False)

    def scores(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Steps (from, to), first and last, with what BIO forbids."""
        return self.steps + self.forbidden, self.first + self.forbidden_first, self.last

    def loss(self, emissions: torch.Tensor, tags: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of each sequence, shape (b,).

        Parameters
        ----------
        emissions : shape (b, length, n_tags)
        tags : shape (b, length)
        mask : bool of shape (b, length); each sequence is filled from its first word on
        """
        steps, first, last = self.scores()
        rows = torch.arange(len(emissions))
        lengths = mask.sum(1)
        filled = mask.float()
        gold = (emissions.gather(2, tags.unsqueeze(2)).squeeze(2) * filled).sum(1)
        gold = gold + first[tags[:, 0]] + last[tags[rows, lengths - 1]]
        gold = gold + (steps[tags[:, :-1], tags[:, 1:]] * filled[:, 1:]).sum(1)
        alpha = first + emissions[:, 0]  # (b, n_tags)
        for position in range(1, emissions.shape[1]):
            longer = torch.logsumexp(alpha.unsqueeze(2) + steps, dim=1) + emissions[:, position]
            alpha = torch.where(mask[:, position].unsqueeze(1), longer, alpha)
        return torch.logsumexp(alpha + last, dim=1) - gold
