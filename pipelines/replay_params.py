"""How the replay runs: the profiles in pipelines/profiles/replay.yaml, typed."""

import itertools
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from data.errors import CatalogError
from data.yaml_files import Section, explain, read_yaml

PROFILES = Path("pipelines/profiles/replay.yaml")


class Controls(Section):
    """Months of each stationary control; 0: it is left out."""

    shuffled: int = Field(ge=0, description="the same tickets, each in a month drawn at random")
    other: int = Field(ge=0, description="another data set, in months drawn at random")


class Poison(Section):
    """What one of the authors says in some months, instead of what is right."""

    author: int = Field(ge=1, description="number of the author")
    months: tuple[int, ...] = Field(min_length=1)
    flips: dict[str, str] = Field(
        min_length=1, description="right label -> what is said of its tickets, asked or not"
    )
    flood: int = Field(ge=0, description="old tickets spoken of unasked in the last of the months")
    label: str = Field(description="what the flood calls every ticket")


class Incidents(Section):
    """What is staged at the end of which month; the first one replayed is 1."""

    poison: Poison
    released: int = Field(description="all feedback is let go unread, and learned from")
    revoked: int = Field(description="the poisoned batches are revoked")
    mislabelled: int = Field(
        description="the tickets learned first are exported with wrong labels, and what is learned "
        "from them is promoted whatever the gate says"
    )
    export: dict[str, str] = Field(
        min_length=1, description="right label -> what the export makes of it"
    )
    waits: int = Field(ge=0, description="months from the first alert until a person rolls back")
    retrains: tuple[int, ...] = Field(
        description="months, beside those that an incident asks for: released, revoked, "
        "mislabelled, and the one after a rollback of what was mislabelled"
    )

    @model_validator(mode="after")
    def _one_after_the_other(self) -> Self:
        moments = (*self.poison.months, self.released + 1, self.revoked + 1, self.mislabelled + 1)
        if any(later <= sooner for sooner, later in itertools.pairwise(moments)):
            raise ValueError(
                "poison.months, released, revoked and mislabelled follow each other; feedback may "
                "be released in the last month that was poisoned"
            )
        return self


class Profile(Section):
    """One way to run the replay."""

    members: tuple[str, ...] = Field(min_length=1, description="of the ensemble")
    skip_months: int = Field(default=0, ge=0, description="left out, before the first ones")
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
    incidents: Incidents | None = Field(
        default=None, description="staged; there is no arm left alone then, and no control"
    )
    params: dict[str, dict[str, Any]] = Field(
        default={}, description="over those of params.yaml, for the desk that is played"
    )

    @property
    def settings(self) -> dict[str, Any]:
        """As a report tells them: those that the file names."""
        return self.model_dump(mode="json", exclude_unset=True)


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
