"""The types of params.yaml: every knob declared once, unknown keys refused."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from data.errors import CatalogError
from data.yaml_files import Section, explain, read_yaml
from evaluation.assessment import EvaluateParams
from evaluation.drift_report import Rules as DriftRules
from evaluation.gate_params import GateParams
from evaluation.period_params import ReportParams
from evaluation.trust_params import FeedbackParams
from models.cascade import CascadeParams
from models.embedding import EmbeddingParams
from models.ensemble import EnsembleParams
from models.finetuned_params import FinetunedParams
from models.linear import LinearParams
from models.memory import MemoryParams
from models.ordinal import OrdinalParams
from models.routing import RoutingParams
from models.runtime import RUNTIMES
from pipelines.experiment_params import ExperimentParams
from pipelines.monitor_params import MonitorParams
from pipelines.schedule_params import ScheduleParams

PARAMS = Path("params.yaml")


class FetchParams(Section):
    """What to do when neither mirror nor network answers."""

    fallback: Literal["sample", "none"] = "sample"


class SplitShares(Section):
    """Shares of all tickets; what is left is train.

    `test` is drawn only where no published test split is used.
    """

    valid: float = Field(default=0.05, ge=0, lt=1)
    calibration: float = Field(default=0.05, ge=0, lt=1)
    test: float = Field(default=0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _leaves_something_to_learn_from(self) -> Self:
        if self.valid + self.calibration + self.test >= 1:
            raise ValueError("valid + calibration + test must stay below 1")
        return self


class NearDuplicateParams(Section):
    """Two texts are near-duplicates if the Jaccard index of their word shingles is this high."""

    threshold: float = Field(default=0.9, gt=0, le=1)
    permutations: int = Field(default=64, ge=16, le=512)
    shingle: int = Field(default=5, ge=1, le=20, description="words")


class LanguageParams(Section):
    """Languages that are told apart, and the letters that takes."""

    targets: tuple[str, ...] = ("en", "de", "fr", "es", "pt", "it")
    min_letters: int = Field(default=10, ge=1)
    detector: Literal["langid", "lingua", "langdetect"] = "langid"

    @field_validator("targets")
    @classmethod
    def _are_codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            if not re.fullmatch(r"[a-z]{2}(-[a-z]{2})?", code):
                raise ValueError(f"{code!r} is not a language code such as en")
        if len(set(codes)) != len(codes) or len(codes) < 2:
            raise ValueError("needs at least two different languages")
        return codes


class PrepareParams(Section):
    """How raw rows become prepared tickets."""

    targets: tuple[str, ...] = ()
    published_split: str = "default"
    split: SplitShares = SplitShares()
    folds: int = Field(default=2, ge=0, le=20)
    max_train: int | None = Field(
        default=None, ge=2, description="tickets of the data set; null: all there are"
    )
    max_rejected: float = Field(default=0.02, ge=0, le=1)
    max_characters: int = Field(default=20_000, ge=1)
    min_class: int = Field(default=20, ge=1)
    near_duplicates: NearDuplicateParams = NearDuplicateParams()
    language: LanguageParams = LanguageParams()

    @field_validator("folds")
    @classmethod
    def _one_fold_is_none(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("must be 0 (off) or at least 2")
        return folds


class ReadersParams(Section):
    """What is learned from public data, for tickets that carry no such labels."""

    sentiment: Literal["senti4sd", "sample"] | None = Field(
        default="senti4sd", description="null: not read"
    )
    entities: Literal["stackoverflow-ner"] | None = Field(
        default="stackoverflow-ner", description="kinds beside those of the rules; null: none"
    )
    fallback: bool = Field(default=True, description="false: data that cannot be had stop the run")


class RuntimeParams(Section):
    """What may stand in for torch when tickets are answered, and how alike it must answer."""

    offered: tuple[str, ...] = Field(
        default=("onnxruntime-f32", "openvino-bf16", "onnxruntime-int8"),
        description="names in models.runtime.RUNTIMES; none: torch serves",
    )
    tickets: int = Field(default=1000, ge=1, description="of calibration, that all are asked")
    budget: float = Field(
        default=0.005, ge=0, le=1, description="share of tickets whose decision may change"
    )
    entity_budget: float = Field(
        default=0.02, ge=0, le=1, description="share of tickets whose entities may change"
    )

    @field_validator("offered")
    @classmethod
    def _are_runtimes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in RUNTIMES:
                raise ValueError(f"no runtime {name!r}; known: {', '.join(RUNTIMES)}")
        return names


class RegistryParams(Section):
    """Where bundles are registered."""

    name: str = Field(default="ticket-assistant", min_length=1, description="of the MLflow model")


class Params(Section):
    """The whole of params.yaml."""

    dataset: str
    seed: int = Field(ge=0, lt=2**32)
    fetch: FetchParams = FetchParams()
    feedback: FeedbackParams = FeedbackParams()
    prepare: PrepareParams = PrepareParams()
    linear: LinearParams = LinearParams()
    embedding: EmbeddingParams = EmbeddingParams()
    finetuned: FinetunedParams = FinetunedParams()
    ensemble: EnsembleParams = EnsembleParams()
    routing: RoutingParams = RoutingParams()
    ordinal: OrdinalParams = OrdinalParams()
    memory: MemoryParams = MemoryParams()
    cascade: CascadeParams = CascadeParams()
    readers: ReadersParams = ReadersParams()
    runtime: RuntimeParams = RuntimeParams()
    evaluate: EvaluateParams = EvaluateParams()
    drift: DriftRules = DriftRules()
    gate: GateParams = GateParams()
    experiment: ExperimentParams = ExperimentParams()
    monitor: MonitorParams = MonitorParams()
    schedule: ScheduleParams = ScheduleParams()
    report: ReportParams = ReportParams()
    registry: RegistryParams = RegistryParams()


def read_params(path: Path = PARAMS) -> Params:
    """The validated content of params.yaml.

    Raises
    ------
    CatalogError
        If a key is unknown or a value out of range; the message names each key.
    """
    try:
        return Params.model_validate(read_yaml(path))
    except ValidationError as error:
        raise CatalogError(explain(error, str(path))) from None
