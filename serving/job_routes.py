"""Jobs over HTTP: send a file, see how far it is, fetch the answers, end it."""

import asyncio
from collections.abc import Iterator
from typing import IO, Annotated

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serving.each import ANSWERED, REFUSED, Answered
from serving.examples import example
from serving.faults import refusal
from serving.headers import Customer
from serving.job_bodies import LINES, PATH, ROUGHLY, as_lines, receive_lines
from serving.job_docs import SUBMIT, problem_docs
from serving.job_runner import JobRunner
from serving.job_state import QUEUED, RUNNING, BatchJob, JobPage
from serving.job_upload import Incoming, LineTooLongError, NoTicketsError
from serving.jobs import Jobs
from serving.limits import media_type_of
from serving.problems import (
    HeaderError,
    JobNotFinishedError,
    JobsFullError,
    NotFoundError,
    ParametersError,
)
from serving.settings import Settings

CURSOR = r"^[0-9]{1,18}-[0-9a-f]{32}$"
JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="as `POST /v1/jobs` gave it")]


def install(app: FastAPI, settings: Settings, jobs: Jobs, runner: JobRunner) -> None:
    """Add the routes of jobs; `runner` is started by `RunsJobs` or with the first job."""
    if app.openapi_tags is not None:
        app.openapi_tags.append({"name": "jobs", "description": "Ask about files of tickets"})

    @app.post(
        PATH,
        tags=["jobs"],
        summary="Answer a file of tickets",
        status_code=202,
        responses={
            202: {
                **example(QUEUED, "Accepted"),
                "headers": {
                    "Location": {"description": "the job's address", "schema": {"type": "string"}}
                },
            },
            **problem_docs(
                400, 413, 415, RequestValidationError, HeaderError, JobsFullError, 500, 503
            ),
        },
        openapi_extra=SUBMIT,
    )
    async def submit_job(
        request: Request, response: Response, customer: Customer = None
    ) -> BatchJob:
        """Takes the file and answers it beside the single tickets, which always go first.

        A line that is no ticket does not refuse the others: its line of the result is a problem.
        Blank lines are left out and not counted. A ticket that is erased meanwhile keeps its line,
        as the problem `erased`; erasing the customer of the file removes the job.
        """
        media_type = media_type_of(request.headers.get("content-type", ""))
        if media_type != "application/json" and media_type not in LINES:
            raise HTTPException(415, headers={"accept": f"application/json, {LINES[0]}"})
        try:
            # Text that is not ASCII grows when a JSON body is written anew as lines.
            longest = settings.max_body_bytes * (1 if media_type in LINES else 8)
            incoming = await asyncio.to_thread(Incoming, jobs, longest, customer)
            with incoming:
                if media_type in LINES:
                    await receive_lines(request, incoming)
                else:
                    incoming.feed(as_lines(await request.body()))
                state = await asyncio.to_thread(incoming.finish)
        except LineTooLongError:
            raise HTTPException(413) from None
        except NoTicketsError as error:
            place = ("body",) if media_type in LINES else ("body", "tickets")
            raise refusal("too_short", place, str(error)) from None
        except ClientDisconnect:
            raise HTTPException(400) from None
        except OSError:  # the disk is full, or not ours to write
            raise HTTPException(503, headers={"retry-after": "60"}) from None
        runner.wake()
        response.headers["location"] = f"{PATH}/{state.id}"
        return BatchJob.of(state)

    @app.get(
        PATH,
        tags=["jobs"],
        summary="List jobs",
        responses={
            200: example({"jobs": [QUEUED, RUNNING], "next": None}),
            **problem_docs(ParametersError, 500),
        },
    )
    def list_jobs(
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        cursor: Annotated[
            str | None, Query(pattern=CURSOR, description="`next` of the page before")
        ] = None,
    ) -> JobPage:
        """The newest first; finished ones for as long as their result is kept."""
        after = None
        if cursor is not None:
            moment, _, name = cursor.partition("-")
            after = int(moment), name
        found, following = jobs.page(limit, after)
        return JobPage(
            jobs=tuple(BatchJob.of(state) for state in found),
            next=None if following is None else f"{following[0]}-{following[1]}",
        )

    @app.get(
        PATH + "/{id}",
        tags=["jobs"],
        summary="See how far a job is",
        responses={200: example(RUNNING), **problem_docs(NotFoundError, ParametersError, 500)},
    )
    def read_job(id: JobId) -> BatchJob:
        """Its state, what is done, and the seconds left at the pace so far."""
        state = jobs.find(id)
        if state is None:
            raise NotFoundError("no job has this id")
        return BatchJob.of(state)

    @app.get(
        PATH + "/{id}/result",
        tags=["jobs"],
        summary="Fetch the answers of a job",
        response_class=StreamingResponse,
        response_model=Answered,
        responses={
            200: {
                "description": "one line per ticket, in order: its prediction or its problem",
                "content": {LINES[0]: {
                    "schema": {"$ref": "#/components/schemas/Answered"},
                    "examples": {
                        "prediction": {"value": ANSWERED}, "problem": {"value": REFUSED},
                    },
                }},
            },
            **problem_docs(NotFoundError, ParametersError, JobNotFinishedError, 500),
        },
    )  # fmt: skip
    def read_result(id: JobId) -> Response:
        """Lines of JSON, as many as tickets; of a job that was cancelled or failed, those it had.

        `index` counts the tickets from 0, and the pointers of a problem begin with it. Every
        prediction names its bundle: a job that runs while another is published meets both.
        """
        found = jobs.open_result(id)
        if found is None:
            raise NotFoundError("no job has this id")
        state, file = found
        length = {"content-length": str(state.output_bytes), "cache-control": "no-store"}
        pieces = _pieces(file, state.output_bytes)
        return StreamingResponse(pieces, headers=length, media_type=LINES[0])

    @app.delete(
        PATH + "/{id}",
        tags=["jobs"],
        summary="End a job, or remove a finished one",
        status_code=202,
        response_model=BatchJob,
        responses={
            202: example({**RUNNING, "state": "cancelled"}, "It is cancelled, or will be at once"),
            204: {"description": "It was finished, and is removed with its result"},
            **problem_docs(NotFoundError, ParametersError, 500),
        },
    )
    def end_job(id: JobId) -> BatchJob | Response:
        """Cancels a job that waits or runs; one that runs answers no further tickets.

        A second call removes it, with the answers it had.
        """
        state = jobs.find(id)
        if state is not None and state.finished:
            jobs.remove(id)
            return Response(status_code=204)
        state = jobs.cancel(id)
        if state is None:
            raise NotFoundError("no job has this id")
        return BatchJob.of(state)


def _pieces(file: IO[bytes], length: int) -> Iterator[bytes]:
    with file:
        while length and (piece := file.read(min(length, ROUGHLY))):
            length -= len(piece)
            yield piece
