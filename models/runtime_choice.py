"""Which of the runtimes that a bundle ships answers on this machine."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from data.errors import BundleError
from data.schema import NonEmpty, Record
from models.runtime import RUNTIMES, TORCH, Runtime, TextEncoder
from models.runtime_sessions import is_installed

if TYPE_CHECKING:
    from models.runtime_file import RuntimeFile

AUTO = "auto"

Precision = Literal["same", "fast"]
"""Whether numbers may depend on the processor: `same` leaves bfloat16 out, `fast` allows it."""

WORTH = 1.2
"""How many times faster a less exact runtime must be to be taken.

Timings of one host differ by some per cent from start to start, so without a margin two workers
could answer by different runtimes.
"""

MAX_TOKENS = 128
"""Tokens of a text that is timed, at most."""

TEXTS = 8
ROUNDS = 12
SECONDS = 0.4
"""Texts of one call that is timed, how often, and when a runtime has had its time."""


class RuntimeChoice(Record):
    """What computes the networks of a bundle here, and why."""

    name: NonEmpty = TORCH
    asked: NonEmpty = Field(default=TORCH, description="auto, or the name that was asked for")
    milliseconds: dict[str, float] = Field(
        default={},
        description="of the processor, for a text of a call through the first network, where timed",
    )

    @property
    def described(self) -> str:
        """For a line of a log."""
        times = ", ".join(f"{name} {found} ms" for name, found in self.milliseconds.items())
        return f"{self.name} (asked for: {self.asked}{'; ' + times if times else ''})"


def choose(
    parts: Path,
    told: "RuntimeFile | None",
    texts: Sequence[str],
    *,
    asked: str = AUTO,
    precision: Precision = "same",
    threads: int = 1,
) -> RuntimeChoice:
    """The fastest runtime among those that may answer here, or the one asked for.

    Parameters
    ----------
    parts : folder whose graphs are tried
    texts : what is timed, like what will be asked

    Raises
    ------
    BundleError
        See `candidates`; or if a graph cannot be run.
    """
    # Who only wants to know what may be asked for needs none of what reads a bundle.
    from models.runtime_parts import RuntimeParts

    found = candidates(told, asked, precision)
    if told is None or not found:
        return RuntimeChoice(asked=asked)
    if len(found) == 1:
        return RuntimeChoice(name=found[0].name, asked=asked)
    milliseconds = {}
    for runtime in found:
        encoder = RuntimeParts(parts, told, runtime, threads).open_first(MAX_TOKENS)
        milliseconds[runtime.name] = round(measure(encoder, texts), 2)
    return RuntimeChoice(name=fastest(milliseconds), asked=asked, milliseconds=milliseconds)


def candidates(told: "RuntimeFile | None", asked: str, precision: Precision) -> list[Runtime]:
    """Runtimes that may answer here, the most exact first; none: torch.

    Raises
    ------
    BundleError
        If a runtime is asked for by name and is unknown, not shipped or not installed.
    """
    if asked == TORCH:
        return []
    shipped = [] if told is None else told.shipped
    if asked == AUTO:
        allowed = [one for one in shipped if precision == "fast" or one.anywhere]
        return [one for one in allowed if is_installed(one)]
    if asked not in RUNTIMES:
        known = ", ".join((AUTO, TORCH, *RUNTIMES))
        raise BundleError(f"no runtime {asked!r}; known: {known}")
    if RUNTIMES[asked] not in shipped:
        tried = None if told is None else told.runtimes.get(asked)
        reason = (tried.reason if tried else None) or "it was not exported"
        raise BundleError(f"the bundle does not ship the runtime {asked}: {reason}")
    if not is_installed(RUNTIMES[asked]):
        raise BundleError(f"the runtime {asked} needs {RUNTIMES[asked].engine}: install it")
    return [RUNTIMES[asked]]


def measure(encoder: TextEncoder, texts: Sequence[str]) -> float:
    """Milliseconds of a text among others of one call, as under load; the fastest round counts.

    Time of the processor, not of the clock: on a busy machine every runtime waits alike, and of
    three that took 5 to 13 ms the clock told 52 to 59. Other work makes rounds slower, none faster.
    """
    few = texts[:TEXTS]
    encoder.encode(few)  # the first pass prepares what later ones find ready
    best = float("inf")
    began = time.perf_counter()
    for _ in range(ROUNDS):
        start = time.process_time()
        encoder.encode(few)
        best = min(best, time.process_time() - start)
        if time.perf_counter() - began > SECONDS:
            break
    return 1000 * best / len(few)


def fastest(milliseconds: Mapping[str, float]) -> str:
    """The fastest of some runtimes; a more exact one is left only where it is `WORTH` it.

    Parameters
    ----------
    milliseconds : by name, the most exact first
    """
    chosen, *others = milliseconds
    for name in others:
        if milliseconds[name] * WORTH < milliseconds[chosen]:
            chosen = name
    return chosen
