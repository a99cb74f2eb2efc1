"""How the answers in production are watched: the section `monitor` of params.yaml."""

from pydantic import Field

from data.yaml_files import Section
from evaluation.drift_report import Rules

YEAR = 365.25
"""Days over which the false alarms allowed are spread, at least."""


class MonitorParams(Section):
    """What is looked at, and what happens by itself."""

    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="probability that a figure of a target, or a certificate that holds, is ever "
        "wrongly refuted, however often one looks; shared among the classes of a target",
    )
    withhold: bool = Field(
        default=True, description="whether a class that lost its certificate goes to people at once"
    )
    window_days: float = Field(
        default=7, gt=0, description="tickets compared with the reference, and between two looks"
    )
    alert_again_days: float = Field(
        default=7, gt=0, description="drift that goes on is told again after so many days"
    )

    def enough_looks(self, rules: Rules) -> Rules:
        """The rules for at least as many looks as a year of these windows has."""
        looks = max(rules.looks, round(YEAR / self.window_days))
        return rules.model_copy(update={"looks": looks})
