"""What a period is told by: the section `report` of params.yaml."""

from pydantic import Field

from data.yaml_files import Section


class ReportParams(Section):
    """Figures that no store can know."""

    minutes_per_ticket: float = Field(
        default=3, gt=0, description="a person takes to route one ticket; the hours follow from it"
    )
