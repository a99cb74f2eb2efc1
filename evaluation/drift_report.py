"""What a comparison of two windows found: records that are written, told and acted on."""

from typing import Any, Literal

from pydantic import Field, JsonValue

from data.schema import Record

Action = Literal["nothing", "adjust_priors", "relabel", "retrain"]
"""What is to be done.

`nothing`: what moved does not touch the answers. `adjust_priors`: the classes come in other shares,
the tickets of each are as they were; a person retrains, since probabilities that are only adjusted
have no certificate. `relabel`: a person should label the tickets named, nothing else can tell
whether the answers are still right. `retrain`: labels have shown that they are not.
"""

Kind = Literal["covariate", "label", "concept"]
"""What moved: the tickets, the shares of their classes, or what is right for the same ticket."""

Side = Literal["input", "output", "truth"]
"""Whether a check looks at the tickets, at the answers or at what people said of them."""


class Rules(Record):
    """When a difference counts: it must be large enough to matter and too large for chance."""

    alpha: float = Field(
        default=0.05, gt=0, lt=1, description="probability of any false alarm in all `looks`"
    )
    looks: int = Field(
        default=52, ge=1, description="how often one means to look: 52 is weekly for a year"
    )
    share: float = Field(default=0.1, gt=0, lt=1, description="of Cohen's w, shares")
    distribution: float = Field(default=0.1, gt=0, lt=1, description="of Kolmogorov's D, numbers")
    classifier: float = Field(default=0.05, gt=0, lt=0.5, description="of AUC - 0.5, embeddings")
    mmd: float = Field(default=0.05, gt=0, lt=1, description="of the MMD, embeddings")
    accuracy: float = Field(default=0.05, gt=0, lt=1, description="points of accuracy lost")
    least: int = Field(default=100, ge=20, description="tickets of a window that can be judged")
    audited: int = Field(default=50, ge=10, description="labels that can tell of accuracy")
    labels_to_retrain: int = Field(default=200, ge=1, description="labels that make it worthwhile")
    relabel: int = Field(default=50, ge=1, description="tickets given to people to label")

    @property
    def level(self) -> float:
        """Of one look. The union bound asks nothing of how the looks depend on each other."""
        return self.alpha / self.looks


class Check(Record):
    """One difference between the windows."""

    name: str = Field(description="e.g. `language`, `embedding.mmd`, `category.labels`")
    side: Side
    effect_name: str
    effect: float = Field(description="how large it is, whatever the number of tickets")
    limit: float = Field(description="effect from which it matters")
    p_value: float = Field(ge=0, le=1)
    adjusted: float = Field(ge=0, le=1, description="by Benjamini and Hochberg over all checks")
    drifted: bool = Field(description="both: it matters, and is no accident")
    facts: dict[str, float] = Field(default={}, description="other figures, e.g. PSI, AUC")


class LabelShift(Record):
    """Shares of the classes behind the answers, estimated without labels."""

    method: Literal["em", "bbse"]
    reference: dict[str, float]
    estimated: dict[str, float]
    effect: float = Field(description="Cohen's w between the two")
    drifted: bool
    explains: bool | None = Field(
        description="whether other shares of the same classes are all there is; null: not known"
    )


class Estimate(Record):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


class AccuracyEstimate(Record):
    """Accuracy without labels, as far as confidence can tell, and with labels where there are."""

    reference: Estimate | None = Field(description="on the labelled tickets of the reference")
    mean_confidence: Estimate
    by_confidence_change: Estimate | None = Field(description="difference of confidences (DoC)")
    by_threshold: Estimate | None = Field(description="average thresholded confidence (ATC)")
    measured: Estimate | None = Field(description="on audited tickets")
    audited: int = Field(ge=0)
    caveat: str


class ConceptShift(Record):
    """Whether the right answer for the same kind of ticket has changed."""

    state: Literal["seen", "not_seen", "cannot_be_told"]
    audited: int = Field(ge=0, description="labels on tickets like those of the reference")
    expected: float | None = Field(default=None, description="accuracy at these confidences then")
    measured: float | None = Field(default=None, description="accuracy now")
    told: str


class WordShift(Record):
    """A word that has become more or less common."""

    word: str
    z: float = Field(description="log-odds ratio over its standard error; above 0: commoner now")
    reference: float = Field(description="share of tickets with it")
    current: float


class ClassShift(Record):
    """A class that the shift comes from."""

    target: str
    label: str
    reference: float = Field(description="share of the answers")
    current: float
    part: float = Field(description="of the difference in shares, 0 to 1")
    new: float | None = Field(
        default=None, description="share of its current tickets that are unlike the reference"
    )


class WindowFacts(Record):
    """What a window is, without its tickets."""

    name: str
    tickets: int = Field(ge=0)
    since: str | None = None
    until: str | None = None
    bundle: str | None = None


class DriftReport(Record):
    """Two windows compared: what moved, what it means and what is to be done."""

    reference: WindowFacts
    current: WindowFacts
    enough: bool = Field(description="false: too few tickets to say anything")
    rules: Rules
    checks: tuple[Check, ...] = ()
    kinds: tuple[Kind, ...] = ()
    label_shift: dict[str, LabelShift] = Field(default={})
    accuracy: dict[str, AccuracyEstimate] = Field(default={})
    concept: dict[str, ConceptShift] = Field(default={})
    words: tuple[WordShift, ...] = Field(
        default=(), description="kept to reports: nothing of it goes into logs or events"
    )
    classes: tuple[ClassShift, ...] = ()
    to_label: tuple[str, ...] = Field(default=(), description="ids, to be labelled first")
    action: Action = "nothing"
    reasons: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        """Whether any check is both large and no accident."""
        return any(check.drifted for check in self.checks)

    @property
    def effects(self) -> dict[str, float]:
        """Effect by check, for gauges."""
        return {check.name: check.effect for check in self.checks}

    def detail(self) -> dict[str, JsonValue]:
        """What an event tells: no words of tickets, no ids."""
        told: dict[str, Any] = {
            "reasons": list(self.reasons),
            "action": self.action,
            "drifted": self.drifted,
            "enough": self.enough,
            "kinds": list(self.kinds),
            "checks": [check.name for check in self.checks if check.drifted],
            "effects": {name: round(effect, 6) for name, effect in self.effects.items()},
            "reference": self.reference.model_dump(),
            "current": self.current.model_dump(),
        }
        return told
