"""POST /v1/feedback: what a person says of answers, one at a time or many."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, JsonValue, ValidatorFunctionWrapHandler, WrapValidator

from data.errors import ConflictError, StoreError
from data.schema import NonEmpty, Record
from data.store import Feedback, FeedbackStatus, Verdict
from serving.archive import Archive
from serving.correlation import current_correlation
from serving.examples import example
from serving.faults import fault, refusal
from serving.feedback import Kept, Taken, UnansweredTargetsError
from serving.headers import IdempotencyKey
from serving.limits import require_json
from serving.principals import Caller, Principal
from serving.problem_docs import problems as problem_docs
from serving.problems import HeaderError
from serving.settings import Settings

MAX_AUTHOR = 200
"""As `Feedback.author` has it."""

CONFIRM: dict[str, JsonValue] = {
    "key": "agent-7-2026-11-23-001",
    "prediction_id": "019aaf3b1c007a3e9d2b4c5d6e7f8091",
    "target": "team",
    "verdict": "confirm",
}
"""Feedback of the documentation; invented."""

CORRECT: dict[str, JsonValue] = {
    "key": "agent-7-2026-11-23-002",
    "prediction_id": "019aaf3b1c007a3e9d2b4c5d6e7f8092",
    "target": "team",
    "verdict": "correct",
    "label": "purchasing",
    "author": "agent-7",
}


class GivenFeedback(Record):
    """What a person says of one target of one prediction."""

    key: NonEmpty | None = Field(
        default=None,
        max_length=200,
        description="yours: sent again with the same content, it counts once. May stand in the "
        "header Idempotency-Key instead where one is given",
    )
    prediction_id: NonEmpty = Field(max_length=40, description="`id` of the answer")
    target: NonEmpty = Field(max_length=200)
    verdict: Verdict = Field(
        description="`confirm`: the label is right; `correct`: `label` is; `reject`: it is not, "
        "and the right one is not known"
    )
    label: NonEmpty | None = Field(
        default=None,
        max_length=200,
        description="the right one; to correct, and only then. One the model does not know is kept "
        "as a proposal",
    )
    author: NonEmpty | None = Field(
        default=None,
        max_length=MAX_AUTHOR,
        description="who said it; behind the name of who sends it, where that is known",
    )


class ManyFeedback(Record):
    """Several at once; kept all or none, in this order."""

    feedback: tuple[GivenFeedback, ...] = Field(json_schema_extra={"minItems": 1})


def _by_shape(value: Any, _: ValidatorFunctionWrapHandler) -> GivenFeedback | ManyFeedback:
    # A plain union would tell of both shapes what is wrong with either.
    if isinstance(value, dict) and "feedback" in value:
        return ManyFeedback.model_validate(value)
    return GivenFeedback.model_validate(value)


OneOrMany = Annotated[GivenFeedback | ManyFeedback, WrapValidator(_by_shape)]


class TakenFeedback(Record):
    """What became of one."""

    key: str
    prediction_id: str
    target: str
    kept: Kept = Field(
        description="`stored`: in the store; `spooled`: on disk, until the store is back"
    )
    status: FeedbackStatus = Field(
        description="`accepted`; `proposal`: the label is not one the model knows, it is kept and "
        "not learned from; `pending`: the prediction is not stored yet, or neither is this"
    )


class TakenAll(Record):
    """What became of each, in order."""

    feedback: tuple[TakenFeedback, ...]


def _told(sample: dict[str, JsonValue], kept: Kept, status: FeedbackStatus) -> JsonValue:
    names = ("key", "prediction_id", "target")
    return {**{name: sample[name] for name in names}, "kept": kept, "status": status}


TAKEN: JsonValue = {"feedback": [_told(CONFIRM, "stored", "accepted")]}
SPOOLED: JsonValue = {"feedback": [_told(CONFIRM, "spooled", "pending")]}


def install(app: FastAPI, archive: Archive, settings: Settings) -> None:
    """Take feedback at /v1/feedback."""
    app.openapi_tags = [
        *(app.openapi_tags or []),
        {"name": "feedback", "description": "Say what was right, and see what to look at"},
    ]

    @app.post(
        "/v1/feedback",
        tags=["feedback"],
        summary="Say whether answers were right",
        dependencies=[Depends(require_json)],
        responses={
            200: example(TAKEN),
            202: {
                **example(SPOOLED, "Kept on disk, as the store does not answer"),
                "model": TakenAll,
            },
            **problem_docs(400, ConflictError, 413, 415, 422, HeaderError, 500, StoreError),
        },
    )
    async def feedback(
        response: Response,
        given: Annotated[OneOrMany, Body(examples=[CONFIRM, {"feedback": [CONFIRM, CORRECT]}])],
        caller: Caller,
        idempotency_key: IdempotencyKey = None,
    ) -> TakenAll:
        """Durable before it is answered, and counted once however often it is sent.

        While the store does not answer, feedback is kept on disk and handed over in order later.
        """
        items = given.feedback if isinstance(given, ManyFeedback) else (given,)
        place = ("body", "feedback") if isinstance(given, ManyFeedback) else ("body",)
        places = [(*place, i) if len(place) > 1 else place for i in range(len(items))]
        _check_number(items, settings)
        keyed = _with_key(given, idempotency_key)
        rows = _rows(keyed or items, places, caller)
        try:
            taken = await archive.desk.take(rows)
        except UnansweredTargetsError as error:
            message = "The prediction did not answer this target"
            raise RequestValidationError(
                [
                    fault("target_not_answered", (*places[i], "target"), message)
                    for i in error.places
                ]
            ) from None
        response.status_code = 200 if taken.kept == "stored" else 202
        return _answer(rows, taken)


def _check_number(items: Sequence[GivenFeedback], settings: Settings) -> None:
    if not items:
        message = "There should be at least 1"
        raise refusal("too_short", ("body", "feedback"), message)
    if len(items) > settings.max_feedback:
        message = f"There should be at most {settings.max_feedback}"
        raise refusal("too_long", ("body", "feedback"), message)


def _with_key(given: GivenFeedback | ManyFeedback, header: str | None) -> list[GivenFeedback]:
    """The one that is given, with its key; nothing where each of many has its own."""
    if header is None:
        return []
    if isinstance(given, ManyFeedback):
        message = "This header is for one; each of many has its own `key`"
        raise refusal("keys_differ", ("header", "Idempotency-Key"), message)
    if given.key not in {None, header}:
        message = "The body holds another `key`"
        raise refusal("keys_differ", ("header", "Idempotency-Key"), message)
    return [given.model_copy(update={"key": header})]


def _rows(
    items: Sequence[GivenFeedback], places: Sequence[tuple[str | int, ...]], caller: Principal
) -> list[Feedback]:
    """The records to keep, given now and signed by who sent them."""
    authors = [caller.author(item.author) for item in items]
    faults = []
    for item, author, place in zip(items, authors, places, strict=True):
        if item.key is None:
            faults.append(fault("missing", (*place, "key"), "Field required"))
        if item.verdict == "correct" and item.label is None:
            faults.append(fault("missing", (*place, "label"), "Field required to correct"))
        if item.verdict != "correct" and item.label is not None:
            message = "A label is given to correct, and only then"
            faults.append(fault("label_not_asked", (*place, "label"), message))
        if author is not None and len(author) > MAX_AUTHOR:
            message = f"With your name before it there are at most {MAX_AUTHOR} characters"
            faults.append(fault("string_too_long", (*place, "author"), message))
    if faults:
        raise RequestValidationError(faults)
    now, correlation = datetime.now(UTC), current_correlation()
    return [
        Feedback.model_validate(
            {**item.model_dump(), "author": author, "at": now, "correlation": correlation}
        )
        for item, author in zip(items, authors, strict=True)
    ]


def _answer(rows: Sequence[Feedback], taken: Taken) -> TakenAll:
    return TakenAll(
        feedback=tuple(
            TakenFeedback(
                key=row.key,
                prediction_id=row.prediction_id,
                target=row.target,
                kept=taken.kept,
                status=status,
            )
            for row, status in zip(rows, taken.statuses, strict=True)
        )
    )
