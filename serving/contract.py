"""The shapes of the HTTP contract that are not records of the house, and their examples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import Field, JsonValue

from data.errors import ConflictError, StoreError
from data.schema import Neighbour, Prediction, Record, Ticket
from models.deployment import Withheld
from models.manifest import Manifest
from models.runtime_choice import RuntimeChoice
from serving.assistants import Assistants, State
from serving.faults import InvalidField
from serving.problems import (
    KINDS,
    MEDIA_TYPE,
    ErasedError,
    ForbiddenError,
    HeaderError,
    HostError,
    JobsFullError,
    KeysUnavailableError,
    Kind,
    NotFoundError,
    ParametersError,
    Problem,
    RateLimitedError,
    RemoteError,
    kind_of_status,
)
from serving.settings import Settings

FALLBACK_WARNING = (
    "This model was trained on the bundled sample, which is synthetic, because the real data set "
    "was not available. It shows how the service works; do not route real tickets with it."
)

TICKET: dict[str, JsonValue] = {
    "id": "T-1042",
    "subject": "VPN keeps disconnecting",
    "text": "Since this morning the VPN drops every few minutes. I restarted the laptop twice, "
    "it did not help. Could somebody have a look?",
    "language": "en",
}
"""The ticket of the documentation; invented, as are the labels of its answer."""

OTHER_TICKET: dict[str, JsonValue] = {
    "id": "T-1043",
    "subject": "New keyboard",
    "text": "The space bar of my keyboard is broken, please order a new one.",
}

PREDICTION: dict[str, JsonValue] = {
    "ticket_id": "T-1042",
    "bundle": "your-tickets-1f0c2a9b",
    "fallback": False,
    "language": "en",
    "targets": {
        "team": {
            "label": "networking",
            "confidence": 0.97,
            "decision": "auto",
            "reason": "certified",
            "threshold": 0.81,
            "shortlist": [],
            "words": [{"word": "vpn", "weight": 2.4}, {"word": "disconnecting", "weight": 0.9}],
            "evidence": [],
        }
    },
    "sentiment": {"label": "neutral", "probability": 0.83},
    "entities": [],
    "novelty": 0.61,
    "similar": [
        {
            "id": "T-0871",
            "similarity": 0.88,
            "labels": {"team": "networking"},
            "resolution": "Replaced the VPN profile",
        }
    ],
    "degraded": [],
    "tier": None,
}

DECISION: dict[str, JsonValue] = {
    **PREDICTION,
    "targets": {
        "team": {
            "label": "networking",
            "confidence": 0.98,
            "decision": "auto",
            "reason": "certified",
            "threshold": 0.93,
            "shortlist": [],
            "words": [],
            "evidence": [],
        }
    },
    "sentiment": None,
    "novelty": None,
    "similar": [],
    "tier": "linear",
}
"""The answer to the same ticket where only the decision is asked for."""

OTHER_PREDICTION: dict[str, JsonValue] = {
    **PREDICTION,
    "ticket_id": "T-1043",
    "similar": [],
    "targets": {
        "team": {
            "label": "workplace",
            "confidence": 0.62,
            "decision": "review",
            "reason": "below_threshold",
            "threshold": 0.79,
            "words": [{"word": "keyboard", "weight": 1.7}],
            "evidence": [],
            "shortlist": [
                {"label": "workplace", "probability": 0.62},
                {"label": "purchasing", "probability": 0.35},
            ],
        }
    },
}

SIMILAR: dict[str, JsonValue] = {
    "bundle": "your-tickets-1f0c2a9b",
    "neighbours": PREDICTION["similar"],
    "support": {"team": [{"label": "networking", "tickets": 1}]},
}

EXAMPLES: dict[type[Record], dict[str, JsonValue]] = {
    Ticket: TICKET,
    Prediction: PREDICTION,
}


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


def example(media: JsonValue, description: str = "OK") -> dict[str, Any]:
    """A response's documentation with its example."""
    return {"description": description, "content": {"application/json": {"example": media}}}


def examples(description: str = "OK", **media: JsonValue) -> dict[str, Any]:
    """A response's documentation with several examples by name."""
    told = {name: {"value": value} for name, value in media.items()}
    return {"description": description, "content": {"application/json": {"examples": told}}}


FAULT: dict[str, JsonValue] = {
    "detail": "1 field is not valid",
    "errors": [
        {
            "pointer": "#/text",
            "message": "String should have at least 1 character",
            "type": "string_too_short",
        }
    ],
    "error_count": 1,
}


HEADER_FAULT: dict[str, JsonValue] = {
    "detail": "1 header is not valid",
    "errors": [
        {
            "pointer": "#/X-Customer",
            "message": "String should have at least 1 character",
            "type": "string_too_short",
        }
    ],
    "error_count": 1,
}

NAMED_BY_ROUTES = frozenset(
    {
        ConflictError, StoreError, NotFoundError, ParametersError, HeaderError, ErasedError,
        JobsFullError, ForbiddenError, RemoteError, HostError, RateLimitedError,
        KeysUnavailableError,
    }
)  # fmt: skip
"""Problems that a route has only if it names them, and not because it has one of their status."""


def problems(*told: int | type[Exception]) -> dict[int | str, dict[str, Any]]:
    """The documentation of the problems a route may answer, an example of each type.

    A status stands for all problems that have it, those left out that a route names.
    """
    by_status: dict[int, list[Kind]] = {}
    for one in told:
        if isinstance(one, int):
            ours = [
                kind
                for key, kind in KINDS.items()
                if kind.status == one and not isinstance(key, int) and key not in NAMED_BY_ROUTES
            ]
            by_status.setdefault(one, []).extend(ours or [kind_of_status(one)])
        else:
            by_status.setdefault(KINDS[one].status, []).append(KINDS[one])
    documented: dict[int | str, dict[str, Any]] = {}
    for status, kinds in by_status.items():
        examples = {kind.name: {"value": _told(kind)} for kind in kinds}
        schema = {"$ref": "#/components/schemas/Problem"}
        documented[status] = {
            "description": " or ".join(kind.title for kind in kinds),
            "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
        }
        if status in {429, 503}:
            documented[status]["headers"] = {
                "Retry-After": {
                    "description": "seconds after which to try again",
                    "schema": {"type": "integer", "minimum": 1},
                }
            }
    return documented


def _told(kind: Kind) -> dict[str, JsonValue]:
    told: dict[str, JsonValue] = {"type": kind.type, "title": kind.title, "status": kind.status}
    if kind == KINDS[HeaderError]:
        return told | HEADER_FAULT
    return told | FAULT if kind.status == 422 else told


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
