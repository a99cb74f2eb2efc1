"""Two arms on one target: the difference of a share, its interval, and what is still missing."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Self

from pydantic import Field

from data.schema import Record
from evaluation.sequence_differences import (
    as_arms,
    as_pairs,
    difference_bounds,
    estimated_difference,
    growth_of_difference,
    paired_bounds,
)
from evaluation.sequences import (
    Bounds,
    Growth,
    growth_of_mean,
    mixed,
    rows_needed,
    weighted_mean,
)

Outcome = Literal["better", "worse", "no difference worth the name", "too early"]


class Gap(Record):
    """Challenger less champion, with an interval that holds at every moment at once."""

    value: float | None = Field(description="null while one of them has no row")
    low: float = Field(ge=-1, le=1)
    high: float = Field(ge=-1, le=1)
    champion_rows: int
    challenger_rows: int
    evidence_better: float = Field(description="log of the e-value against `not better`, now")
    evidence_worse: float = Field(description="log of the e-value against `not worse`, now")


class Contest(NamedTuple):
    """A gap, and how the evidence behind it grows."""

    gap: Gap
    gain: Growth
    """Evidence that the challenger is better by more than what is asked about."""
    loss: Growth
    """Evidence that it is worse by more than what is asked about."""
    n: int
    """Rows, those of a pair counted once."""

    @classmethod
    def apart(
        cls, values: Sequence[float], second: Sequence[bool], drawn: Sequence[float], alpha: float
    ) -> Self:
        """Of arms that answered different tickets; rows in the order of the judgements."""
        arms = as_arms(values, second, drawn)
        challengers = int(arms.second.sum())
        return cls._of(
            None if challengers in {0, len(values)} else estimated_difference(arms),
            difference_bounds(arms, alpha),
            (len(values) - challengers, challengers),
            (growth_of_difference(arms), growth_of_difference(arms.swapped)),
            len(values),
        )

    @classmethod
    def beside(
        cls, least: Sequence[float], most: Sequence[float], drawn: Sequence[float], alpha: float
    ) -> Self:
        """Of arms that answered the same tickets.

        Parameters
        ----------
        least, most : gain of each ticket in [-1, 1]; they differ where it is not known, and each
            end of the interval takes the worse of them
        """
        low, high = as_pairs(least, drawn), as_pairs(most, drawn)
        up, down = growth_of_mean(low), growth_of_mean(high._replace(values=1 - high.values))
        return cls._of(
            2 * weighted_mean(low) - 1 if least else None,
            Bounds(paired_bounds(low, alpha).low, paired_bounds(high, alpha).high),
            (len(least), len(least)),
            (lambda d: up((1 + d) / 2), lambda d: down((1 + d) / 2)),
            len(least),
        )

    @classmethod
    def _of(
        cls,
        value: float | None,
        bounds: Bounds,
        sizes: tuple[int, int],
        growth: tuple[Growth, Growth],
        n: int,
    ) -> Self:
        gap = Gap(
            value=value,
            low=bounds.low,
            high=bounds.high,
            champion_rows=sizes[0],
            challenger_rows=sizes[1],
            evidence_better=float(mixed(growth[0](0.0))),
            evidence_worse=float(mixed(growth[1](0.0))),
        )
        return cls(gap, *growth, n)

    def decide(self, margin: float) -> Outcome:
        """What the interval says.

        Parameters
        ----------
        margin : differences smaller than this are not worth the name
        """
        if self.gap.low > 0:
            return "better"
        if self.gap.high < 0:
            return "worse"
        if self.gap.low > -margin and self.gap.high < margin:
            return "no difference worth the name"
        return "too early"

    def missing(self, margin: float, alpha: float) -> int | None:
        """How many more rows like those seen would decide; None if they cannot tell.

        An estimate: it takes the difference measured for the true one.
        """
        side = alpha / 2
        better = rows_needed(self.gain(0.0), self.n, side)
        worse = rows_needed(self.loss(0.0), self.n, side)
        same = (
            rows_needed(self.gain(-margin), self.n, side),
            rows_needed(self.loss(-margin), self.n, side),
        )
        ways = [one for one in (better, worse) if one is not None]
        if same[0] is not None and same[1] is not None:
            ways.append(max(same[0], same[1]))
        return max(0, min(ways) - self.n) if ways else None
