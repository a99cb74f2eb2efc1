"""What was answered, read back; and erased."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import FastAPI, Path, Query
from pydantic import JsonValue
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.responses import StreamingResponse

from data import store as stored
from data.errors import DataError, StoreError
from data.export import Form, pieces
from data.store import Erasure
from serving.archive import Archive, ErasedEverywhere
from serving.examples import example
from serving.faults import refusal
from serving.history import KEPT, KeptPage, KeptPrediction, Search
from serving.principals import Caller
from serving.problem_docs import problems as problem_docs
from serving.problems import NotFoundError, ParametersError

ACTOR = "api"
"""Who erased, in the audit log, where callers are not known by name."""

MEDIA_TYPES: dict[Form, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}

ERASED: JsonValue = {"predictions": 3, "feedback": 1, "waiting": 0, "spooled": 0, "jobs": 2}


class Export(stored.Query):
    """Filters, and the form of the file."""

    format: Form


class AnyText(PathConvertor):
    """The rest of a path whatever is in it; Starlette's own stops at a line break."""

    regex = "(?s:.*)"


def install(app: FastAPI, archive: Archive) -> None:
    """Tell stored predictions at /v1/predictions, and erase at /v1/tickets and /v1/customers."""
    register_url_convertor("any_text", AnyText())
    app.openapi_tags = [
        *(app.openapi_tags or []),
        {"name": "history", "description": "Find what was answered, and erase it"},
    ]

    @app.get(
        "/v1/predictions",
        tags=["history"],
        summary="Find stored predictions",
        responses={
            200: example({"predictions": [KEPT], "next": "q1N5bmNlIDAxOWFhZg"}),
            **problem_docs(ParametersError, 500, StoreError),
        },
    )
    async def predictions(search: Annotated[Search, Query()]) -> KeptPage:
        """The newest first; a filter that is not given does not matter.

        Pages are stable: what is stored meanwhile moves nothing. A cursor belongs to its filters.
        """
        try:
            page = await archive.ask(
                archive.store.search, search.query, search.limit, search.cursor
            )
        except StoreError:
            raise
        except DataError:
            message = "The cursor was not given with a page of these filters"
            raise refusal("cursor", ("query", "cursor"), message) from None
        return KeptPage(predictions=tuple(map(KeptPrediction.of, page.found)), next=page.next)

    @app.get(
        "/v1/predictions/export",
        tags=["history"],
        summary="Export stored predictions",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "The file",
                "content": {
                    media_type: {"schema": {"type": "string", "format": "binary"}}
                    for media_type in MEDIA_TYPES.values()
                },
            },
            **problem_docs(ParametersError, 500, StoreError),
        },
    )
    async def export(asked: Annotated[Export, Query()]) -> StreamingResponse:
        """All that the filters leave, the oldest first, however much it is.

        `jsonl` holds a prediction a line with everything; `csv` and `parquet` a row for each target
        of each prediction.
        """
        query = stored.Query.model_validate(asked.model_dump(exclude={"format"}))
        found = await archive.ask(lambda: pieces(archive.store.stream(query), asked.format))
        return StreamingResponse(
            found,
            media_type=MEDIA_TYPES[asked.format],
            headers={
                "content-disposition": f'attachment; filename="predictions.{asked.format}"',
                "cache-control": "no-store",
            },
        )

    @app.get(
        "/v1/predictions/{id}",
        tags=["history"],
        summary="One stored prediction",
        responses={
            200: example(KEPT),
            **problem_docs(NotFoundError, ParametersError, 500, StoreError),
        },
    )
    async def prediction(
        id: Annotated[str, Path(min_length=1, max_length=40)],
    ) -> KeptPrediction:
        """With all that was said of it. One just answered may be here a moment later."""
        found = await archive.ask(archive.store.find, id)
        if found is None:
            raise NotFoundError("no prediction is stored under this id")
        return KeptPrediction.of(found)

    @app.delete(
        "/v1/tickets/{ticket_id:any_text}",
        tags=["history"],
        summary="Erase a ticket",
        responses={
            200: example(ERASED),
            **problem_docs(ParametersError, 500, StoreError),
        },
    )
    async def erase_ticket(
        ticket_id: Annotated[str, Path(min_length=1, max_length=200)],
        caller: Caller,
    ) -> ErasedEverywhere:
        """Its predictions and what was said of them go, wherever they are, and the log tells when.

        A ticket nobody knows is erased too: what is still on its way is then not stored.
        """
        return await archive.erase(
            Erasure(ticket_id=ticket_id), caller.name or ACTOR, datetime.now(UTC)
        )

    @app.delete(
        "/v1/customers/{customer:any_text}",
        tags=["history"],
        summary="Erase a customer",
        responses={
            200: example(ERASED),
            **problem_docs(ParametersError, 500, StoreError),
        },
    )
    async def erase_customer(
        customer: Annotated[str, Path(min_length=1, max_length=200)],
        caller: Caller,
    ) -> ErasedEverywhere:
        """All tickets of the customer, as for one ticket."""
        return await archive.erase(
            Erasure(customer=customer), caller.name or ACTOR, datetime.now(UTC)
        )
