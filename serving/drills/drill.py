"""What a drill is: a promise, a way to break something, and what was seen."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from serving.drills.stage import Stage


@dataclass
class Finding:
    """What was seen while something was broken.

    Attributes
    ----------
    observed : in words
    broken : what the promise had otherwise; empty where it was kept
    may_lose : ids of predictions that the promise gives up
    patience : seconds until what is acknowledged has to be in the store
    """

    observed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    may_lose: Collection[str] = ()
    patience: float = 30.0

    def saw(self, what: str) -> None:
        self.observed.append(what)

    def expect(self, kept: bool, otherwise: str) -> None:
        """Note what the promise had otherwise, unless it was kept."""
        if not kept:
            self.broken.append(otherwise)


@dataclass(frozen=True)
class Drill:
    """One fault.

    Attributes
    ----------
    promise : what the documents of the project say happens
    act : breaks it and mends it while clients ask; raises DrillError where that cannot be done
    prepare : before the service starts; raises LackingError where the machine has not what it takes
    """

    name: str
    promise: str
    act: Callable[[Stage], Finding]
    prepare: Callable[[Stage], None] = lambda stage: None
    workers: int = 2
    rate: float = 16.0
