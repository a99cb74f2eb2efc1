"""How far feedback is believed: the knobs of `feedback` in params.yaml."""

from pydantic import Field

from data.yaml_files import Section


class CapParams(Section):
    """What one author, class or day may bring to train, at most; what is over waits."""

    unproven_day: int = Field(default=50, ge=0, description="tickets a day of an unproven author")
    author_day: int = Field(default=300, ge=1, description="tickets a day of a proven author")
    author_class: float = Field(
        default=0.5, gt=0, le=1, description="share of one author in the feedback on a class"
    )
    class_day: int = Field(default=500, ge=1, description="tickets a day and class")
    free: int = Field(default=20, ge=0, description="tickets of a class no share is asked of")


class SuspicionParams(Section):
    """When a batch, or a part of it, waits for a person to look at it."""

    error: float = Field(
        default=0.01, gt=0, lt=1, description="chance of a false alarm per test and batch"
    )
    slack: float = Field(
        default=2.0, ge=1, description="times the errors expected of the model that are believed"
    )
    least: int = Field(default=5, ge=1, description="tickets below which nothing is suspected")
    flood: float = Field(default=10.0, gt=1, description="times what others say in a day")
    flood_least: int = Field(default=100, ge=1, description="tickets a day that are no flood")


class FeedbackParams(Section):
    """Which feedback is learned from."""

    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="of the bounds on how often an author agrees"
    )
    agreement: float = Field(
        default=0.8, gt=0, lt=1, description="proven: surely above; not believed: surely below"
    )
    half_life_days: float = Field(
        default=180.0, gt=0, description="after which what an author said counts half"
    )
    learn_audit: bool = Field(
        default=False, description="whether audited tickets, which are evidence, are learned too"
    )
    caps: CapParams = CapParams()
    suspicion: SuspicionParams = SuspicionParams()
