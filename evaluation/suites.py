"""Behavioural suites as they are written and as they are told: behavior.yaml and its outcomes."""

import json
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from evaluation.transformations import TRANSFORMATIONS

SUITES = Path(__file__).with_name("behavior.yaml")

Kind = Literal["invariance", "direction", "minimum functionality"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Functionality(_Record):
    """A ticket whose label nobody would argue about."""

    target: str
    text: str
    expect: tuple[str, ...] = Field(min_length=1, description="any of these is right")


class Direction(_Record):
    """Adding `add` to `text` must move the probability of `labels` together up, or down."""

    target: str
    text: str
    add: str
    labels: tuple[str, ...] = Field(min_length=1)
    goes: Literal["up", "down"] = "up"


class Cases(_Record):
    """The cases of one data set."""

    minimum_functionality: tuple[Functionality, ...] = ()
    direction: tuple[Direction, ...] = ()


class Suites(_Record):
    """behavior.yaml: how many own tickets are tried, what must pass, and the labelled cases."""

    tickets: int = Field(default=100, ge=1)
    invariance: dict[str, float] = Field(description="transformation -> least share unchanged")
    evidence: float = Field(ge=0, le=1, description="least share that moves towards the evidence")
    minimum_functionality: float = Field(ge=0, le=1)
    direction: float = Field(ge=0, le=1)
    odd_texts: tuple[str, ...] = ()
    datasets: dict[str, Cases] = {}

    @model_validator(mode="after")
    def _transformations_exist(self) -> Self:
        if unknown := sorted(set(self.invariance) - set(TRANSFORMATIONS)):
            raise ValueError(f"unknown transformations {unknown}; known: {list(TRANSFORMATIONS)}")
        return self


class Outcome(_Record):
    """How one test went; `failing` names tickets by id or cases by number, never by text."""

    kind: Kind
    name: str
    target: str
    cases: int
    failures: int
    skipped: int
    minimum: float
    failing: tuple[str, ...] = ()

    @property
    def share(self) -> float | None:
        return 1 - self.failures / self.cases if self.cases else None

    @property
    def passed(self) -> bool | None:
        """None where there was nothing to try."""
        # The tolerance keeps 93 of 100 a pass at 0.93, whatever the rounding.
        held = self.cases - self.failures >= self.minimum * self.cases - 1e-9
        return held if self.cases else None


class BehaviorReport(_Record):
    """All outcomes; `passed` when every test that could be tried passed."""

    dataset: str
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        return all(outcome.passed is not False for outcome in self.outcomes)

    @property
    def skipped(self) -> int:
        return sum(outcome.skipped for outcome in self.outcomes)

    def write(self, path: Path) -> None:
        """Write the outcomes with their shares and verdicts as JSON."""
        content = {
            "dataset": self.dataset,
            "passed": self.passed,
            "skipped": self.skipped,
            "outcomes": [
                {
                    **outcome.model_dump(mode="json"),
                    "share": outcome.share,
                    "passed": outcome.passed,
                }
                for outcome in self.outcomes
            ],
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_suites(path: Path = SUITES) -> Suites:
    """The suites from their YAML file."""
    return Suites.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
