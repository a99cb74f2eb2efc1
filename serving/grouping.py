"""Which tickets share an encoder call: alike in length, and within limits that are kept exactly.

A call costs what its longest ticket costs, times its tickets: the shorter ones are padded. So a
call is limited by padded tokens as well as by tickets, and a long ticket is not given company.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data.schema import Ticket

CHARACTERS_PER_TOKEN = 4
"""Of MiniLM's word pieces; tickets of it-service-tickets have 6.1, and 95 % of them more than 5.1
(1,500 calibration rows), those with code and identifiers fewer. So it rather tells too many."""

SPECIAL_TOKENS = 2

MOST_TOKENS = 1_000
"""Of one ticket: no network reads more of it than 4,000 characters (`models.readers`)."""


@dataclass(frozen=True)
class CallLimits:
    """What one encoder call may hold.

    Attributes
    ----------
    tickets : at most
    tokens : at most, padded; a single ticket is taken whatever its length
    """

    tickets: int
    tokens: int

    def allow(self, tickets: int, longest: int) -> bool:
        """Whether so many tickets may share a call, the longest of them with so many tokens."""
        return tickets <= self.tickets and (tickets == 1 or tickets * longest <= self.tokens)


def estimate_tokens(ticket: Ticket) -> int:
    """About how many tokens a ticket has, the special ones included; without a tokenizer."""
    characters = len(ticket.subject) + len(ticket.text)
    return min(MOST_TOKENS, SPECIAL_TOKENS + -(-characters // CHARACTERS_PER_TOKEN))


def cut(lengths: Sequence[int], limits: CallLimits) -> list[list[int]]:
    """Positions of tickets by call, the shortest tickets first; each call within the limits.

    Parameters
    ----------
    lengths : tokens of each ticket, shape (n,)
    """
    calls: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if calls and limits.allow(len(calls[-1]) + 1, lengths[position]):
            calls[-1].append(position)
        else:
            calls.append([position])
    return calls
