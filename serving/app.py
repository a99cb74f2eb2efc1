"""The HTTP contract: what can be asked, whatever carries it."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import BackgroundTasks, Body, Depends, FastAPI, Query

from data.schema import Detail, Prediction, Ticket
from serving import (
    edge_security,
    feedback_routes,
    guard,
    health_routes,
    history_routes,
    job_routes,
    openapi,
    pages,
    probe_routes,
    problems,
    review_routes,
)
from serving.answering import ARMS, Answering, Arms
from serving.archive import Archive
from serving.arms import Keep
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.clients import Client, Clients
from serving.contract import BatchPrediction, ModelCard, Similar, SimilarTo
from serving.edge import LastResort
from serving.examples import (
    DECISION,
    OTHER_PREDICTION,
    OTHER_TICKET,
    PREDICTION,
    SIMILAR,
    TICKET,
    example,
    examples,
)
from serving.headers import ArmName, AssignmentKey, Customer
from serving.health import Checkup
from serving.identity import Identity
from serving.job_bodies import BodyLimits
from serving.job_runner import JobRunner
from serving.jobs import Jobs
from serving.limits import check_nested, check_one, require_json
from serving.partial import PARTIAL_BATCH, PartialBatch, PostedBatch, answer_partially
from serving.problem_docs import problems as problem_docs
from serving.settings import Settings
from serving.shadows import Shadows
from serving.telemetry import Telemetry
from serving.watched import Watched

if TYPE_CHECKING:
    from serving.tracing import Tracing
    from serving.webhook_delivery import Delivery

T = TypeVar("T")

AskedFor = Annotated[
    Detail,
    Query(
        description="`decision`: the labels and what is to be done, in a fraction of the time, "
        "without what is told beside them: words, evidence, sentiment, entities, similar tickets. "
        "Where the model holds a cascade, the linear member alone decides about tickets that are "
        "shown to need no other; `tier` tells, and nobody looked whether they are novel"
    ),
]

DESCRIPTION = """\
Reads support tickets, routes what it can prove it may route, and asks a person about the rest.

Every answer names a label, its calibrated confidence and a **decision**. `auto` means that tickets
like this one, with this label and at least this confidence, were shown to go to the right place
with the accuracy stated in the certificate of `GET /v1/model`. `review` means that a person
decides; the shortlist then holds the few labels worth looking at.

Errors are [problem+json](https://www.rfc-editor.org/rfc/rfc9457) with a stable `type`, and never
repeat what was sent. Every answer carries `X-Request-ID`, the name that log lines and stored rows
have too: your `traceparent` or `X-Request-ID` where it is hexadecimal, else a new one.
"""


def create_app(
    settings: Settings,
    assistants: Assistants,
    batcher: Batcher,
    telemetry: Telemetry,
    shadows: Shadows | None = None,
    keep: Keep | None = None,
    archive: Archive | None = None,
    jobs: Jobs | None = None,
    identity: Identity | None = None,
    delivery: "Delivery | None" = None,
    tracing: "Tracing | None" = None,
) -> FastAPI:
    """The application, from parts that are built and closed by the caller.

    Parameters
    ----------
    keep : told of every answer before it leaves; by default the archive
    jobs : `app.state.runner` answers them; whoever serves the app lets `RunsJobs` start it
    identity : tells who asks; by default as the settings say
    delivery : of webhooks, for who asks how much waits
    tracing : makes a span of every request
    """
    app = FastAPI(
        title="Ticket Assistant",
        version="1",
        summary="Routes what it can prove it may route, asks a person about the rest",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        openapi_tags=[
            {"name": "tickets", "description": "Ask about tickets"},
            {"name": "model", "description": "Know what answers"},
            {"name": "operations", "description": "Probes and metrics"},
        ],
        # Its spans and log records would carry paths and messages of exceptions.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )

    async def in_time(work: Awaitable[T]) -> T:
        """What the work gives, or DeadlineError when it takes too long."""
        try:
            async with asyncio.timeout(settings.timeout_seconds) as deadline:
                return await work
        except TimeoutError:
            if not deadline.expired():
                raise
            raise problems.DeadlineError(settings.timeout_seconds) from None

    keep = keep or (archive.keep if archive else None)
    answering = Answering(settings, assistants, batcher, telemetry, shadows, keep)
    clients = Clients(settings.max_waiting_per_client)
    limiter = edge_security.open_limiter(settings, telemetry.security)
    ticket_limit = edge_security.ticket_limit(settings, limiter)

    async def answer(
        tickets: tuple[Ticket, ...],
        later: BackgroundTasks,
        client: str,
        key: str | None,
        arm: str | None,
        customer: str | None,
        detail: Detail,
    ) -> list[Prediction]:
        await ticket_limit.spend(client, len(tickets))
        with clients.admitted(client, len(tickets)):
            told = await in_time(answering.answer(tickets, key, arm, customer, detail))
        later.add_task(answering.watch, told)
        return [one.prediction for one in told]

    @app.post(
        "/v1/predict",
        tags=["tickets"],
        summary="Answer one ticket",
        dependencies=[Depends(require_json)],
        responses={
            200: examples(full=PREDICTION, decision=DECISION),
            **problem_docs(400, 413, 415, 422, problems.HeaderError, 429, 500, 503, 504),
        },
    )
    async def predict(
        ticket: Annotated[Ticket, Body(examples=[TICKET])],
        later: BackgroundTasks,
        client: Client,
        key: AssignmentKey = None,
        arm: ArmName = None,
        customer: Customer = None,
        detail: AskedFor = "full",
    ) -> Prediction:
        """One label per target, with its confidence and what to do with it."""
        check_one(ticket, settings)
        return (await answer((ticket,), later, client, key, arm, customer, detail))[0]

    @app.post(
        "/v1/predict/batch",
        tags=["tickets"],
        summary="Answer several tickets",
        dependencies=[Depends(require_json)],
        responses={
            200: examples(
                whole={"predictions": [PREDICTION, OTHER_PREDICTION]}, partial=PARTIAL_BATCH
            ),
            **problem_docs(400, 413, 415, 422, problems.HeaderError, 429, 500, 503, 504),
        },
    )
    async def predict_batch(
        batch: Annotated[PostedBatch, Body(examples=[{"tickets": [TICKET, OTHER_TICKET]}])],
        later: BackgroundTasks,
        client: Client,
        key: AssignmentKey = None,
        arm: ArmName = None,
        customer: Customer = None,
        partial: Annotated[bool, Query(description="answer each ticket for itself")] = False,
        detail: AskedFor = "full",
    ) -> BatchPrediction | PartialBatch:
        """One prediction per ticket, in order; `ticket_id` echoes the ticket's `id`.

        A ticket that is not valid is named by its place and refuses the whole request: nothing is
        dropped in silence. With `partial=true` every ticket gets its prediction or its problem.
        """

        async def part(tickets: tuple[Ticket, ...]) -> list[Prediction]:
            return await answer(tickets, later, client, key, arm, customer, detail)

        if partial:
            return await answer_partially(batch, settings, part)
        return BatchPrediction(predictions=tuple(await part(batch.whole(settings))))

    @app.post(
        "/v1/similar",
        tags=["tickets"],
        summary="Find past tickets like this one",
        dependencies=[Depends(require_json)],
        responses={
            200: example(SIMILAR),
            **problem_docs(400, 404, 413, 415, 422, 429, 500, 503, 504),
        },
    )
    async def similar(
        asked: Annotated[SimilarTo, Body(examples=[{"ticket": TICKET, "k": 5}])],
        client: Client,
    ) -> Similar:
        """Ids, labels and resolutions of the nearest tickets that the model learned from.

        Similarity is half what the model makes of two tickets, half the words they share; 1 is the
        same text.
        """
        check_nested(asked.ticket, settings)
        champion = assistants.champion
        with clients.admitted(client, 1):
            found = await in_time(batcher.find_similar(champion.assistant, asked.ticket, asked.k))
        near = [neighbour for neighbour in found if neighbour.similarity >= asked.min_similarity]
        return Similar.of(champion.manifest.version, near)

    @app.get("/v1/model", tags=["model"], summary="What answers, and what it promises")
    async def model() -> ModelCard:
        """Version, labels, certificate and measured figures of the bundle that answers.

        Answers in every state; `state` and `reason` tell whether tickets are answered.
        """
        return ModelCard.of(assistants)

    @app.get(
        "/v1/arms",
        tags=["model"],
        summary="Who answers, who competes and who only watches",
        responses={200: example(ARMS)},
    )
    async def arms() -> Arms:
        """Every bundle that runs, since when, with which share and how many tickets so far.

        Tickets are counted by the worker that happens to answer; `/metrics` counts those of all.
        """
        return answering.arms()

    probe_routes.install(app, assistants, telemetry)

    async def answer_job(tickets: Sequence[Ticket], customer: str | None) -> list[Prediction]:
        told = await answering.answer(tickets, customer=customer)
        await answering.watch(told)
        return [one.prediction for one in told]

    if jobs is not None:
        runner = JobRunner(
            jobs,
            settings,
            answer_job,
            lambda: batcher.waiting > settings.job_gives_way,
            None if archive is None else archive.erase_again,
        )
        app.state.runner = runner
        job_routes.install(app, settings, jobs, runner)
    if archive is not None:
        feedback_routes.install(app, archive, settings)
        review_routes.install(app, archive)
        history_routes.install(app, archive)
    checkup = Checkup(settings, assistants, archive, jobs, delivery, answering.cache, limiter)
    health_routes.install(app, checkup)

    openapi.install(app, settings)
    pages.install(app)
    problems.install(app)
    guard.install(app)
    identity = identity or Identity.of(settings, telemetry.security.refused)
    edge_security.install(app, settings, identity, limiter)
    app.add_middleware(LastResort)
    app.add_middleware(BodyLimits, settings=settings)
    edge_security.install_headers(app, settings)
    app.add_middleware(
        Watched, telemetry=telemetry, access_log=settings.access_log, tracing=tracing
    )
    return app
