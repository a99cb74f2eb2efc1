"""What the fine-tuned member may be told."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_DROPPED = 0.9
"""A dropout beyond it leaves nothing to learn from."""


class RenewalParams(BaseModel):
    """How fits go on from those of before, where few tickets are new; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    most_new: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of train that may be new",
    )
    again: float = Field(
        default=4.0, ge=0, description="tickets of before that are learned again, per new one"
    )
    most_times: int = Field(
        default=5, ge=1, description="renewals in a row, before all is learned from the beginning"
    )
    epochs: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0, description="of the encoder, at its peak")


class FinalParams(BaseModel):
    """How one of the final fits differs from those of the folds; null: it does not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Literal["folds", "encoder"] = Field(
        default="folds", description="the mean of the folds' weights, or the published encoder"
    )
    epochs: int | None = Field(default=None, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    frozen_layers: int | None = Field(default=None, ge=0)
    frozen_embeddings: bool | None = None
    dropout: float | None = Field(default=None, ge=0, le=MOST_DROPPED)
    easy: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="tickets of whose label the folds that have not seen them are so sure are "
        "learned in every other epoch, with twice the weight; null: none is",
    )
    fits: int = Field(
        default=1,
        ge=1,
        description="fits that differ in what is drawn at random; the mean of their weights "
        "answers, at the cost of one. From the encoder there is one: others begin with other heads",
    )

    @model_validator(mode="after")
    def _weights_have_a_mean(self) -> Self:
        if self.fits > 1 and self.start == "encoder":
            raise ValueError(f"start: encoder allows one fit, not {self.fits}; use start: folds")
        return self

    def applied(self, params: "FinetunedParams") -> "FinetunedParams":
        """The params of this final fit."""
        own = self.model_dump(exclude={"start", "easy", "fits"}, exclude_none=True)
        return params.model_copy(update=own)

    def renewed(self, params: "FinetunedParams") -> "FinetunedParams":
        """The same where it goes on from a former final fit: as long and as fast as the folds."""
        kept = {"frozen_layers", "frozen_embeddings", "dropout"}
        own = self.model_dump(include=kept, exclude_none=True)
        return params.model_copy(update=own)


class FinetunedParams(BaseModel):
    """What the fine-tuned member may be told; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str = Field(default="minilm", description="a name in models.encoders.ENCODERS")
    max_tokens: int = Field(default=128, ge=8, le=512, description="longer texts are cut here")
    learned_tokens: int | None = Field(
        default=None,
        ge=8,
        description="of a longer text, in one training step: a random sample, another one each "
        "time. Answers read max_tokens. null: all",
    )
    epochs: int = Field(default=2, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0, description="of the encoder, at its peak")
    head_rate: float = Field(default=10.0, gt=0, description="learning rate of heads, in encoder's")
    batch_size: int = Field(default=32, ge=1)
    layers: int | None = Field(
        default=None, ge=1, description="lowest layers that are kept of the encoder; null: all"
    )
    frozen_layers: int = Field(
        default=3, ge=0, description="lowest layers left as they are, embeddings with them; 0: none"
    )
    frozen_embeddings: bool = Field(
        default=False, description="leave these as they are also where no layer is frozen"
    )
    dropout: float = Field(default=0.0, ge=0, le=MOST_DROPPED)
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)
    lesson_weight: float = Field(
        default=1.0, gt=0, description="of a text that teaches a lesson; a ticket's is 1"
    )
    toned: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of tickets that are told in another tone while they are learned, where "
        "a tone is a lesson; see pipelines.toning",
    )
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.06, ge=0, lt=1, description="share of steps")
    clip: float = Field(default=1.0, gt=0, description="largest gradient norm")
    evaluations: int = Field(default=2, ge=1, description="looks at valid, per epoch")
    patience: int = Field(default=3, ge=1, description="looks without gain before it stops")
    final: tuple[FinalParams, ...] = Field(
        default=(FinalParams(start="encoder"),),
        min_length=1,
        description="fits on all tickets; the answers of several are averaged",
    )
    renew: RenewalParams | None = Field(
        default=None, description="go on from the fits of before in a retrain; null: never"
    )

    @model_validator(mode="after")
    def _something_is_trained(self) -> Self:
        frozen = [self.frozen_layers, *(final.frozen_layers or 0 for final in self.final)]
        if self.layers is not None and max(frozen) >= self.layers:
            raise ValueError(
                f"frozen_layers ({max(frozen)}) must be below layers ({self.layers}): "
                "nothing of the encoder would be trained"
            )
        return self
