"""The shapes of the HTTP contract that are not records of the house, and its document."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import Field, JsonValue

from data.schema import Neighbour, Prediction, Record, Ticket
from models.deployment import Withheld
from models.manifest import Manifest
from models.runtime_choice import RuntimeChoice
from serving.assistants import Assistants, State
from serving.examples import EXAMPLES
from serving.faults import InvalidField
from serving.problems import Problem
from serving.settings import Settings

FALLBACK_WARNING = (
    "This model was trained on the bundled sample, which is synthetic, because the real data set "
    "was not available. It shows how the service works; do not route real tickets with it."
)


class Batch(Record):
    """Several tickets, answered together and in order."""

    # Checked in serving/limits.py: pydantic counts the valid ones, and would call a list of bad
    # tickets an empty one.
    tickets: tuple[Ticket, ...] = Field(json_schema_extra={"minItems": 1})


class BatchPrediction(Record):
    """One prediction per ticket, in the order of the tickets."""

    predictions: tuple[Prediction, ...]


class SimilarTo(Record):
    """A ticket, and how many past ones like it are wanted."""

    ticket: Ticket
    k: int = Field(default=5, ge=1, le=50)
    min_similarity: float = Field(default=-1, ge=-1, le=1, description="of those told")


class Support(Record):
    """How many of the tickets told carry a label."""

    label: str
    tickets: int = Field(ge=1)


class Similar(Record):
    """Past tickets, the most similar first."""

    bundle: str
    neighbours: tuple[Neighbour, ...]
    support: dict[str, tuple[Support, ...]] = Field(
        description="per target: the labels the neighbours carry, the commonest first"
    )

    @classmethod
    def of(cls, bundle: str, neighbours: Sequence[Neighbour]) -> Self:
        """The answer that tells these neighbours."""
        targets = dict.fromkeys(target for found in neighbours for target in found.labels)
        counts = {
            target: Counter(n.labels[target] for n in neighbours if target in n.labels)
            for target in targets
        }
        support = {
            target: tuple(
                Support(label=label, tickets=n)
                for label, n in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
            )
            for target, found in counts.items()
        }
        return cls(bundle=bundle, neighbours=tuple(neighbours), support=support)


class ModelCard(Record):
    """What answers, what it promises and what it was measured to do."""

    state: State = Field(description="`ready` when tickets are answered")
    reason: str | None = Field(
        description="why it is not ready, or why the bundle published last was refused"
    )
    warning: str | None = Field(description="set when figures must not be mistaken for real ones")
    version: str | None
    dataset: str | None
    fallback: bool | None = Field(description="true when trained on the bundled sample")
    created_at: str | None
    commit: str | None
    dirty: bool | None = Field(description="true when trained from uncommitted code")
    targets: dict[str, tuple[str, ...]] = Field(description="target -> labels it may answer")
    members: tuple[str, ...]
    weights: dict[str, dict[str, float]] = Field(description="target -> member, in the mean")
    class_weights: dict[str, dict[str, dict[str, float]]] = Field(
        description="target -> member -> label, where members are pooled; the mean then answers "
        "only when one of them fails"
    )
    certificate: dict[str, dict[str, JsonValue]] = Field(
        description="per target: the accuracy promised for automatic tickets, how sure the promise "
        "is, and per class the threshold that earned it"
    )
    withheld: Withheld = Field(
        description="classes whose certificate was lost live, which people route now: "
        "target -> label -> why"
    )
    metrics: dict[str, JsonValue] = Field(description="measured on the test split, with intervals")
    readers: dict[str, dict[str, JsonValue]] = Field(
        description="what is read beside the targets, learned from public data: which, and its "
        "figures on the test rows of those"
    )
    runtime: RuntimeChoice | None = Field(
        description="what computes the networks in the worker that tells this, chosen when the "
        "bundle was loaded, and the milliseconds of those that were timed"
    )
    runtimes: dict[str, dict[str, JsonValue]] = Field(
        description="what was tried in torch's place when the bundle was made: how near its "
        "answers are to torch's in full precision, and whether it may serve"
    )
    libraries: dict[str, str]

    @classmethod
    def of(cls, assistants: Assistants) -> Self:
        """The card of what `assistants` hold now."""
        status = assistants.status
        serving = assistants.serving
        facts = {} if serving is None else _facts(serving.manifest)
        if serving is not None:
            facts["runtime"] = runtime_of(serving.assistant)
        if assistants.running is not None and serving is not None:
            deployment = assistants.running.deployment
            facts["withheld"] = deployment.withheld_of(serving.manifest.version)
        return cls.model_validate(
            {**NOTHING, **facts, "state": status.state, "reason": status.reason}
        )


NOTHING: dict[str, Any] = {
    "warning": None, "version": None, "dataset": None, "fallback": None, "created_at": None,
    "commit": None, "dirty": None, "targets": {}, "members": (), "weights": {},
    "class_weights": {}, "certificate": {}, "withheld": {},
    "metrics": {}, "readers": {}, "runtime": None, "runtimes": {}, "libraries": {},
}  # fmt: skip


def _facts(manifest: Manifest) -> dict[str, Any]:
    facts = {name: getattr(manifest, name) for name in NOTHING if hasattr(manifest, name)}
    return {**facts, "warning": FALLBACK_WARNING if manifest.fallback else None}


def runtime_of(assistant: object) -> RuntimeChoice | None:
    """What computes the networks of an assistant; None where it does not say."""
    found = getattr(getattr(assistant, "facts", None), "runtime", None)
    return found if isinstance(found, RuntimeChoice) else None


def document(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The OpenAPI 3.1 document, with problems, examples and this installation's limits."""
    spec: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        # What operators look at comes after what applications do.
        tags=sorted(app.openapi_tags or [], key=lambda tag: tag["name"] == "operations"),
    )
    schemas: dict[str, Any] = spec["components"]["schemas"]
    for model in (Problem, InvalidField):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        schemas[model.__name__] = schema
    for record, sample in EXAMPLES.items():
        schemas[record.__name__]["examples"] = [sample]
    schemas["Ticket"]["properties"]["text"]["maxLength"] = settings.max_text
    schemas["Batch"]["properties"]["tickets"]["maxItems"] = settings.max_tickets
    return _sorted_schemas(spec)


def _sorted_schemas(spec: dict[str, Any]) -> dict[str, Any]:
    components: Mapping[str, Any] = spec["components"]
    return {
        **spec,
        "components": {**components, "schemas": dict(sorted(components["schemas"].items()))},
    }
