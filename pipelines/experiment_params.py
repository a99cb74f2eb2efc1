"""When a challenger may have traffic, when it has won, and what happens by itself."""

from typing import Literal

from pydantic import Field

from data.yaml_files import Section
from evaluation.guardrails import VerdictRules

Automatic = Literal["promote", "stop", "rollback"]
"""`promote`: a challenger that is better. `stop`: a challenger or shadow that is worse.
`rollback`: a champion that turns out worse than the former one was shown to be."""


class RehearsalParams(Section):
    """What a candidate must show on logged tickets before it is shown a new one."""

    tickets: int = Field(
        default=200, ge=1, le=5_000, description="newest ones, and as many audited ones"
    )
    changed: float = Field(
        default=0.3, ge=0, le=1, description="share told another label, per target, at most"
    )
    rerouted: float = Field(
        default=0.3, ge=0, le=1, description="share decided otherwise, per target, at most"
    )
    errors: float = Field(default=0.0, ge=0, lt=1, description="share that fails, at most")
    p95_ms: float | None = Field(default=None, gt=0, description="per ticket; null: any")


class ExperimentParams(Section):
    """The section `experiment` of params.yaml."""

    verdict: VerdictRules = VerdictRules()
    rehearsal: RehearsalParams = RehearsalParams()
    automatic: tuple[Automatic, ...] = Field(
        default=("stop", "rollback"), description="what `status --auto` does by itself"
    )
