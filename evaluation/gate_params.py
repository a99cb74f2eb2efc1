"""What a candidate must show before it may answer; the section `gate` of params.yaml."""

from pydantic import BaseModel, ConfigDict, Field


class CalibrationParams(BaseModel):
    """The calibration error allowed: the larger of `error` and the champion's plus `worse`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: float = Field(default=0.02, ge=0, le=1)
    worse: float = Field(default=0.005, ge=0, le=1)


class GateParams(BaseModel):
    """Margins, budgets and how sure the gate must be; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="of every rule, one-sided")
    margin: float = Field(
        default=0.003, gt=0, lt=1, description="accuracy that must be shown not to be lost on test"
    )
    forgotten: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="accuracy, also of a class, that one may lose on test who is shown to be "
        "better on audited tickets of now",
    )
    class_budget: float = Field(
        default=0.02, ge=0, lt=1, description="recall or automatic accuracy that a class may lose"
    )
    automation_budget: float = Field(
        default=0.02, ge=0, lt=1, description="share of automatic tickets that may be lost"
    )
    calibration: CalibrationParams = CalibrationParams()
    latency_ms: float = Field(default=150, gt=0, description="median, one ticket, one thread")
    latency_ratio: float | None = Field(
        default=2.0,
        ge=1,
        description="of the champion's latency, measured in the same run, that is allowed as well; "
        "null: latency_ms alone",
    )
    bundle_mib: float = Field(default=500, gt=0)
    days: int = Field(default=30, ge=1, description="of audited tickets that are looked back at")
