"""Probes and metrics: what operators' machines ask, and people seldom."""

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse

from serving.assistants import Assistants
from serving.problem_docs import problems as problem_docs
from serving.telemetry import Telemetry


def install(app: FastAPI, assistants: Assistants, telemetry: Telemetry) -> None:
    """Answer at /livez, /readyz and /metrics."""

    @app.get(
        "/livez",
        tags=["operations"],
        summary="Is the process alive?",
        response_class=PlainTextResponse,
    )
    async def livez() -> str:
        return "\n"

    @app.get(
        "/readyz",
        tags=["operations"],
        summary="Can tickets be answered?",
        response_class=PlainTextResponse,
        responses=problem_docs(503),
    )
    async def readyz() -> str:
        _ = assistants.champion
        return "\n"

    @app.get(
        "/metrics",
        tags=["operations"],
        summary="Prometheus metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    def metrics() -> Response:
        content, media_type = telemetry.exposition()
        return Response(content, media_type=media_type)
