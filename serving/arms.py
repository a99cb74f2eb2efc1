"""Which arm answers a ticket, who watches, and what is audited: by hash, the same in every worker.

Every draw is HMAC-SHA256 of its purpose and key under the installation's salt, so draws of
different purposes are independent, and whoever knows the salt can repeat each of them.
"""

import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from data.schema import ArmKind, Prediction, Ticket
from models.deployment import Deployment, Shadow


@dataclass(frozen=True)
class Assignment:
    """The arm of one ticket."""

    kind: ArmKind
    version: str
    propensity: float
    """Probability of this arm for this ticket, in (0, 1]; 1 where the caller named the arm."""
    explicit: bool = False


@dataclass(frozen=True)
class Told:
    """One answer and how it came about; the ticket is as it came in, nothing masked."""

    id: str
    at: datetime
    ticket: Ticket = field(repr=False)
    key: str = field(repr=False)
    prediction: Prediction = field(repr=False)
    arm: ArmKind
    propensity: float
    """Probability of the arm; of a shadow, the fraction of the tickets that it is shown."""
    audit: bool
    audit_propensity: float
    explicit: bool = False
    """Whether the caller named the arm: no random draw, so neither audited nor to be compared."""
    customer: str | None = field(default=None, repr=False)
    """The caller's key of who wrote it: erasing a customer needs it."""
    beside: str | None = None
    """Of a shadow's answer: the id of the one that was told."""
    correlation: str | None = None
    """The request it came with, as logs and traces name it."""


Recorder = Callable[[Sequence[Told]], None]
"""Told of the answers of shadows, in their thread."""

Keep = Callable[[Sequence[Told]], Awaitable[None]]
"""Told of the answers of a request before they leave, in the event loop."""


def draw(salt: str, purpose: str, key: str) -> float:
    """A number in (0, 1), uniform over keys and the same for the same three."""
    message = f"{purpose}\0{key}".encode("utf-8", "surrogatepass")
    digest = hmac.digest(salt.encode(), message, hashlib.sha256)
    # 52 bits and a half: every value is a float of its own, and none is 0 or 1.
    return ((int.from_bytes(digest[:8]) >> 12) + 0.5) / 2**52


def assign(key: str, deployment: Deployment, salt: str) -> Assignment:
    """The arm of a key: each challenger with its share, the champion with the rest.

    Challengers are asked in their order, each with a draw of its own, whether the key is theirs. So
    a key keeps its arm while shares and order stay; a challenger that comes last takes keys from
    the champion alone and gives them back when it goes; a new champion leaves all challengers their
    keys; and as a challenger's draws depend on its version, no key is in every experiment.

    Raises
    ------
    ValueError
        If the deployment has no champion.
    """
    if deployment.champion is None:
        raise ValueError("a deployment without a champion assigns nobody")
    left = 1.0
    for one in deployment.challengers:
        if draw(salt, f"challenger {one.version}", key) < one.share / left:
            return Assignment("challenger", one.version, one.share)
        left -= one.share
    return Assignment("champion", deployment.champion.version, deployment.rest)


def choose(name: str, deployment: Deployment) -> Assignment | None:
    """The arm a caller named: `champion`, or the version of one that answers; None if it does not.

    A shadow cannot be chosen: nobody is told its answers.
    """
    if deployment.champion is not None and name in ("champion", deployment.champion.version):
        return Assignment("champion", deployment.champion.version, 1.0, explicit=True)
    if any(one.version == name for one in deployment.challengers):
        return Assignment("challenger", name, 1.0, explicit=True)
    return None


def watching(key: str, deployment: Deployment, salt: str) -> tuple[Shadow, ...]:
    """The shadows that are shown this ticket, each drawn for itself with its fraction."""
    return tuple(
        one for one in deployment.shadows if draw(salt, f"shadow {one.version}", key) < one.fraction
    )


def is_audited(key: str, share: float, salt: str) -> bool:
    """Whether the audit sample holds this key, with probability `share` in [0, 1]."""
    return draw(salt, "audit", key) < share


def new_id(nanoseconds: int) -> str:
    """A UUIDv7 in hex (RFC 9562, section 5.7): sorts by its moment, to a quarter of a microsecond.

    Parameters
    ----------
    nanoseconds : since 1970, as `time.time_ns()` gives them
    """
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    # Section 6.2, method 3: the twelve bits after the version hold the fraction of a millisecond.
    fraction = rest * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8)) >> 2
    return f"{milliseconds << 80 | 7 << 76 | fraction << 64 | 0b10 << 62 | random:032x}"
