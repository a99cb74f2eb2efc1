"""What is asked of a system under test, and when."""

from collections import Counter
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from data.schema import NonEmpty, Record


class Load(Record):
    """One load: a closed loop of clients or an open loop at a rate, never both."""

    texts: Path = Field(description="JSON list of what customers wrote")
    clients: PositiveInt | None = Field(
        default=None, description="each sends its next request when the one before is answered"
    )
    rate: PositiveFloat | None = Field(
        default=None, description="requests a second, sent whether others are answered or not"
    )
    repeated: bool = False
    capitals: bool = Field(default=False, description="each text begins with one")
    seconds: PositiveFloat
    warm: float = Field(
        default=0.0, ge=0, description="seconds of the same load before, unmeasured"
    )
    seed: int = 1
    stream: int = Field(
        default=0, ge=0, description="two streams of one seed never send the same text"
    )
    patience: PositiveFloat = Field(
        default=30.0, description="seconds after the end until what is unanswered has failed"
    )

    @model_validator(mode="after")
    def _one_loop(self) -> Self:
        if (self.clients is None) == (self.rate is None):
            raise ValueError("a load has either clients or a rate")
        return self


class HttpLoad(Load):
    """A load that goes over HTTP."""

    host: NonEmpty = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    path: NonEmpty = "/v1/predict"
    listed: bool = Field(default=False, description="the body is a list of one text")


class Outcome(Record):
    """What a load came to, told by the process that sent it."""

    seconds: float = Field(gt=0, description="from the begin of the measurement to its last answer")
    milliseconds: tuple[float, ...] = Field(description="of each answer with status 200")
    failures: dict[str, int] = Field(default_factory=dict)
    late: tuple[float, ...] = Field(
        default=(), description="milliseconds between the planned and the real sending"
    )
    cpu_seconds: float = Field(ge=0, description="of the sending process, while it measured")

    @classmethod
    def together(cls, parts: "tuple[Outcome, ...]") -> "Outcome":
        """What several processes measured at the same time."""
        failures = Counter[str]()
        for part in parts:
            failures.update(part.failures)
        return cls(
            seconds=max(part.seconds for part in parts),
            milliseconds=tuple(found for part in parts for found in part.milliseconds),
            failures=dict(failures),
            late=tuple(found for part in parts for found in part.late),
            cpu_seconds=sum(part.cpu_seconds for part in parts),
        )


def arrivals(rate: float, seconds: float, draw: np.random.Generator) -> list[float]:
    """Moments of a Poisson process in [0, seconds), ascending, at least one of them."""
    moments = [draw.exponential(1 / rate)]
    while moments[-1] < seconds:
        moments.append(moments[-1] + draw.exponential(1 / rate))
    return moments[:-1] or [0.0]
