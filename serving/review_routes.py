"""GET /v1/review: what a person should look at first."""

from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import StringConstraints

from data.errors import StoreError
from data.store import MAX_PAGE
from serving.archive import Archive
from serving.examples import example
from serving.history import REVIEW
from serving.problem_docs import problems as problem_docs
from serving.problems import ParametersError
from serving.review import Review, ReviewItem

TargetName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def install(app: FastAPI, archive: Archive) -> None:
    """Tell the review queue at /v1/review."""

    @app.get(
        "/v1/review",
        tags=["feedback"],
        summary="What a person should look at first",
        responses={200: example(REVIEW), **problem_docs(ParametersError, 500, StoreError)},
    )
    async def review(
        target: Annotated[
            list[TargetName] | None,
            Query(max_length=50, description="only these; may be given several times"),
        ] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    ) -> Review:
        """Tickets sent to review and those of the audit sample that nobody answered yet.

        Ordered by what a wrong decision is expected to cost: its probability times the costs this
        installation set. Answer with `POST /v1/feedback`; what is answered is not here any more.
        """
        found = await archive.ask(archive.store.to_review, target, limit)
        return Review(items=tuple(ReviewItem.of(answered, target) for answered in found))
