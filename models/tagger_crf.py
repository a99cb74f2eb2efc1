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
        return self._total(emissions, steps, first, last, mask) - gold

    def _total(
        self,
        emissions: torch.Tensor,
        steps: torch.Tensor,
        first: torch.Tensor,
        last: torch.Tensor,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        """Log of the summed weight of all paths, shape (b,).

        Weights of paths so far are kept as shares of 1, and what they were divided by is added in
        the end (Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 1989, V.A): a word then
        takes a matrix product in place of a logarithm for every pair of tags.
        """
        # In double precision a path may be e^-700 times as likely as the best and still count.
        factors = steps.double().exp()
        tops = emissions.detach().amax(2)  # (b, length): no weight may overflow
        weights = (emissions - tops.unsqueeze(2)).double().exp()
        share = first.double().exp() * weights[:, 0]
        found = []
        for position in range(emissions.shape[1]):
            if position:
                longer = (share @ factors) * weights[:, position]
                share = torch.where(mask[:, position].unsqueeze(1), longer, share)
            size = share.sum(1, keepdim=True)
            share = share / size
            found.append(size)
        sizes = torch.cat(found, dim=1).log() + torch.where(mask, tops, 0.0)
        return (sizes.sum(1) + (share @ last.double().exp()).log()).float()
