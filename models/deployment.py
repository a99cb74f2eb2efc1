"""deployment.json: who answers, who competes, who only watches, and since when."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError, model_validator

from data.errors import BundleError, ModelError
from data.schema import NonEmpty, Record
from models.manifest import Version

DEPLOYMENT = "deployment.json"
FORMAT = 3
"""Older ones are still read: format 1 named at most one challenger, under `challenger`, and format
2 withheld no class."""

Why = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Withheld = dict[NonEmpty, dict[NonEmpty, Why]]
"""Target -> label -> why its tickets go to a person although the bundle holds a certificate."""


class Arm(Record):
    """A bundle and its part in answering tickets."""

    version: Version
    since: AwareDatetime | None = Field(
        default=None, description="in this part and with this share; null in files of format 1"
    )
    withheld: Withheld = Field(
        default={}, description="classes whose certificate was lost live: target -> label -> why"
    )


class Challenger(Arm):
    """A bundle that competes with the champion."""

    share: float = Field(gt=0, lt=1, description="of the tickets, answered by this challenger")


class Shadow(Arm):
    """A bundle that is asked too, and whose answers nobody is told."""

    fraction: float = Field(default=1, gt=0, le=1, description="of the tickets it is shown")


class Deployment(Record):
    """Who answers, who competes and who only watches; the champion has the rest of the tickets."""

    format: int = FORMAT
    champion: Arm | None
    challengers: tuple[Challenger, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    withheld_before: dict[Version, Withheld] = Field(
        default={}, description="of bundles without a part now: one that returns withholds the same"
    )
    published_at: AwareDatetime

    @model_validator(mode="after")
    def _every_ticket_has_one_arm(self) -> Self:
        shared = math.fsum(one.share for one in self.challengers)
        if shared >= 1:
            raise ValueError(f"the challengers share {shared:g} of the tickets, expected below 1")
        answering = [arm.version for arm in (self.champion, *self.challengers) if arm]
        for names in (answering, [shadow.version for shadow in self.shadows]):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{', '.join(twice)} is named twice")
        return self

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Champion, challengers and shadows, in this order."""
        champion = (self.champion,) if self.champion else ()
        return (*champion, *self.challengers, *self.shadows)

    @property
    def versions(self) -> tuple[str, ...]:
        """Every bundle named, once."""
        return tuple(dict.fromkeys(arm.version for arm in self.arms))

    @property
    def rest(self) -> float:
        """Share of the tickets that the champion answers."""
        return 1 - math.fsum(one.share for one in self.challengers)

    @property
    def all_withheld(self) -> dict[str, Withheld]:
        """What each bundle withholds, those without a part now among them."""
        now = {arm.version: arm.withheld for arm in self.arms if arm.withheld}
        return {**self.withheld_before, **now}

    def withheld_of(self, version: str) -> Withheld:
        """Classes whose automatic tickets go to a person, whatever part the bundle has."""
        return self.all_withheld.get(version, {})

    def to_json(self) -> str:
        """The text of deployment.json."""
        return self.model_dump_json(indent=1) + "\n"

    def with_champion(self, version: str, moment: datetime) -> "Deployment":
        """The same with another champion, which has no other part any more."""
        if self.champion and self.champion.version == version:
            return self
        return revised(self._without(version), moment, champion=Arm(version=version, since=moment))

    def with_challenger(self, version: str, share: float, moment: datetime) -> "Deployment":
        """The same with one more challenger, or another share for it in its place.

        The order counts: keys of a challenger depend on those before it (`serving/arms.py`).

        Raises
        ------
        ModelError
            If it is the champion, or the champion would be left without tickets.
        """
        self._refuse_champion(version, "cannot challenge itself")
        if not 0 < share < 1:
            raise ModelError(f"a challenger's share lies between 0 and 1, not {share}")
        if any(one.version == version and one.share == share for one in self.challengers):
            return self
        new = Challenger(version=version, share=share, since=moment)
        places = {one.version: one for one in self.challengers} | {version: new}
        shared = math.fsum(one.share for one in places.values())
        if shared >= 1:
            raise ModelError(f"the challengers would share {shared:g} of the tickets, not below 1")
        return revised(self._without(version), moment, challengers=tuple(places.values()))

    def with_shadow(self, version: str, fraction: float, moment: datetime) -> "Deployment":
        """The same with one more shadow, or another fraction for it; a challenger steps back.

        Raises
        ------
        ModelError
            If it is the champion, or the fraction is not in (0, 1].
        """
        self._refuse_champion(version, "has nothing to watch")
        if not 0 < fraction <= 1:
            raise ModelError(f"a shadow's fraction lies above 0 and is at most 1, not {fraction}")
        if any(one.version == version and one.fraction == fraction for one in self.shadows):
            return self
        others = [one for one in self.shadows if one.version != version]
        new = Shadow(version=version, fraction=fraction, since=moment)
        return revised(self._without(version), moment, shadows=(*others, new))

    def stopping(self, version: str, moment: datetime) -> "Deployment":
        """The same without a challenger or shadow.

        Raises
        ------
        ModelError
            If it is the champion, or has no part.
        """
        self._refuse_champion(version, "can only be replaced: promote another, or --rollback")
        if version not in self.versions:
            known = ", ".join(arm.version for arm in self.arms[1:]) or "none"
            raise ModelError(f"{version} is no challenger or shadow; there are: {known}")
        return revised(self._without(version), moment)

    def _without(self, version: str) -> "Deployment":
        return self.model_copy(
            update={
                "challengers": tuple(one for one in self.challengers if one.version != version),
                "shadows": tuple(one for one in self.shadows if one.version != version),
                "withheld_before": self.all_withheld,
            }
        )

    def _refuse_champion(self, version: str, why: str) -> None:
        if self.champion and self.champion.version == version:
            raise ModelError(f"{version} is the champion and {why}")


def revised(
    deployment: Deployment,
    moment: datetime,
    withheld: Mapping[str, Withheld] | None = None,
    **changes: Any,
) -> Deployment:
    """Changed at this moment; arms of a file of format 1 keep the moment it was published at.

    What a bundle withholds goes with its version, through every part it is given.
    """
    known = deployment.all_withheld if withheld is None else withheld

    def dated(arms: Iterable[Arm]) -> tuple[Arm, ...]:
        return tuple(
            arm.model_copy(
                update={
                    "since": arm.since or deployment.published_at,
                    "withheld": known.get(arm.version, {}),
                }
            )
            for arm in arms
        )

    champion = changes.get("champion", deployment.champion)
    challengers = dated(changes.get("challengers", deployment.challengers))
    shadows = dated(changes.get("shadows", deployment.shadows))
    arms = (*dated([champion] if champion else []), *challengers, *shadows)
    parts = {arm.version for arm in arms}
    return Deployment(
        champion=arms[0] if champion else None,
        challengers=challengers,
        shadows=shadows,
        withheld_before={
            version: classes
            for version, classes in known.items()
            if classes and version not in parts
        },
        published_at=moment,
    )


def former_champion(deployments: Sequence[Deployment]) -> str | None:
    """The champion to go back to from the last of these deployments, given the oldest first.

    A champion that returns takes its former place, so that going back twice from C over B leads to
    A and never forward to what was left.
    """
    champions: list[str] = []
    for deployment in deployments:
        if deployment.champion is None:
            continue
        version = deployment.champion.version
        if version in champions:
            del champions[champions.index(version) + 1 :]
        else:
            champions.append(version)
    return champions[-2] if len(champions) > 1 else None


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
        return Deployment.model_validate(_of_this_format(raw, found))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}".removeprefix(": ")
            for fault in error.errors()[:3]
        )
        raise BundleError(f"{DEPLOYMENT} is malformed: {faults}") from None


def _of_this_format(raw: Any, found: object) -> Any:
    """A file of an older format as this one has it; anything else as it is."""
    if found == 1:
        rest = {name: value for name, value in raw.items() if name != "challenger"}
        only = raw.get("challenger")
        return {**rest, "format": FORMAT, "challengers": [] if only is None else [only]}
    return {**raw, "format": FORMAT} if found == 2 else raw
