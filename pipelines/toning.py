"""Tickets in another tone: what a ticket is about must not hang on how it sounds.

A share of the tickets is learned with a sentence of somebody else's feelings added, its labels left
as they are (counterfactual augmentation: Kaushik, Hovy and Lipton, "Learning the difference that
makes a difference with counterfactually-augmented data", ICLR 2020). For a network that learns a
tone beside the tickets: it reads feelings well, and would route by them.

Two epochs on 8,000 tickets of it-service-tickets, 1,000 held-out ones with a sentence added that
nobody learned: the label stays in 86.9 % with displeasure and in 93.4 % with praise; with a fifth
of the tickets learned in another tone in 95.4 % and 96.2 %, accuracy 0.856 instead of 0.854. The
linear member gains nothing by it (95.0 and 93.6 %; 95.9 and 92.9 %).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from evaluation.league.sentiment import Posts

LONGEST = 14
"""Words of a sentence that is added, at most: it must sound like an aside, not like the matter."""

PLAIN = "neutral"
"""The sentiment whose sentences are not added."""

_CHANCES = 2**64


@dataclass(frozen=True)
class Tones:
    """What is added to which tickets before they are learned from.

    It depends on a ticket's text and the seed alone, so that every fold learns a ticket in the same
    words. An aside stands behind two tickets in three, before the third.

    Parameters
    ----------
    asides : sentences with a feeling in them
    share : of the tickets, in [0, 1]
    """

    asides: tuple[str, ...]
    share: float
    seed: int

    @classmethod
    def of_posts(cls, posts: Posts, share: float, seed: int) -> "Tones | None":
        """The short ones of some posts; None where there are none, or none is to be added."""
        asides = [
            text
            for text, label in zip(posts.texts, posts.labels, strict=True)
            if label != PLAIN and len(text.split()) <= LONGEST
        ]
        return cls(tuple(asides), share, seed) if asides and share else None

    def of(self, texts: Sequence[str]) -> list[str]:
        """The texts as they are learned."""
        return [self._of(text) for text in texts]

    def _of(self, text: str) -> str:
        read = f"{self.seed} {text}".encode("utf-8", "surrogatepass")
        digest = blake2b(read, digest_size=16).digest()
        chance, drawn = (int.from_bytes(part, "big") for part in (digest[:8], digest[8:]))
        if chance >= self.share * _CHANCES:
            return text
        aside = self.asides[drawn % len(self.asides)]
        before = drawn // len(self.asides) % 3 == 0
        return f"{aside}\n{text}" if before else f"{text}\n{aside}"
