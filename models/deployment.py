"""deployment.json: who answers, who competes and who only watches."""

import json

from pydantic import AwareDatetime, Field, ValidationError

from data.errors import BundleError
from data.schema import Record
from models.manifest import Version

DEPLOYMENT = "deployment.json"
FORMAT = 1


class Arm(Record):
    """A bundle that answers tickets."""

    version: Version


class Challenger(Arm):
    """A bundle that competes with the champion."""

    share: float = Field(gt=0, lt=1, description="of the tickets, answered by the challenger")


class Deployment(Record):
    """Who answers, who competes and who only watches."""

    format: int = FORMAT
    champion: Arm | None
    challenger: Challenger | None = None
    shadows: tuple[Arm, ...] = ()
    published_at: AwareDatetime

    @property
    def versions(self) -> tuple[str, ...]:
        """Every bundle named, once."""
        arms = (self.champion, self.challenger, *self.shadows)
        return tuple(dict.fromkeys(arm.version for arm in arms if arm))

    def to_json(self) -> str:
        """The text of deployment.json."""
        return self.model_dump_json(indent=1) + "\n"


def parse_deployment(content: bytes) -> Deployment:
    """What the bytes of deployment.json say.

    Raises
    ------
    BundleError
        If they are of a newer format, or no deployment at all.
    """
    try:
        raw = json.loads(content)
    except ValueError as error:
        raise BundleError(f"{DEPLOYMENT} is not JSON") from error
    found = raw.get("format") if isinstance(raw, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise BundleError(
            f"{DEPLOYMENT} has format {found}, this program reads {FORMAT}: update the program"
        )
    try:
        return Deployment.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:3]
        )
        raise BundleError(f"{DEPLOYMENT} is malformed: {faults}") from None
