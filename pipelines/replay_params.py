"""How the replay runs: the profiles in pipelines/profiles/replay.yaml, typed."""

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from data.errors import CatalogError
from data.yaml_files import Section, explain, read_yaml

PROFILES = Path("pipelines/profiles/replay.yaml")


class Controls(Section):
    """Months of each stationary control; 0: it is left out."""

    shuffled: int = Field(ge=0, description="the same tickets, each in a month drawn at random")
    other: int = Field(ge=0, description="another data set, in months drawn at random")


class Profile(Section):
    """One way to run the replay."""

    members: tuple[str, ...] = Field(min_length=1, description="of the ensemble")
    first_months: int = Field(ge=1, description="whose tickets both arms learn from at the start")
    months: int | None = Field(default=None, ge=1, description="replayed at most; null: all")
    tickets_a_month: int | None = Field(default=None, ge=1, description="drawn at most; null: all")
    control_tickets: int = Field(ge=1, description="a month, where a data set tells no months")
    controls: Controls
    audit_share: float = Field(ge=0, le=1)
    answers_a_month: int = Field(ge=1, description="of people, beside those that drift asks for")
    authors: int = Field(ge=1)
    retrain_apart: int = Field(ge=1, description="months between two retrains, at least")
    retrain_every: int = Field(ge=1, description="months after which no alert is needed")
    new_label: int = Field(ge=1, description="proposals of a label before it enters the catalog")
    params: dict[str, dict[str, Any]] = Field(
        default={}, description="over those of params.yaml, for the desk that is played"
    )


def read_profile(name: str, path: Path = PROFILES) -> Profile:
    """One profile by name.

    Raises
    ------
    CatalogError
        If there is none of that name, a key is unknown or a value out of range.
    """
    profiles = read_yaml(path)
    if name not in profiles:
        raise CatalogError(f"{path} has no profile {name!r}; known: {', '.join(profiles)}")
    try:
        return Profile.model_validate(profiles[name])
    except ValidationError as error:
        raise CatalogError(explain(error, f"{path}.{name}")) from None


def merge(shipped: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Params with changes of single keys, however deep they lie."""
    merged = dict(shipped)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = (
            merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return merged
