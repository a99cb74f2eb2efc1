"""GET /v1/health: what the service stands on, for who may know it (`health:read`)."""

from fastapi import FastAPI
from pydantic import JsonValue

from serving.examples import example
from serving.health import Checkup, Health
from serving.problem_docs import problems as problem_docs

HEALTH: JsonValue = {
    "state": "degraded",
    "parts": {
        "bundle": {
            "state": "up",
            "facts": {
                "champion": "acme-4f1d2c3b", "running": ["acme-4f1d2c3b"], "refused": [],
            },
        },
        "spool": {"state": "up", "facts": {"bytes": 4096, "max_bytes": 67108864}},
        "store": {"state": "down", "reason": "the store postgresql://db/tickets: SQLSTATE 57P03"},
    },
}  # fmt: skip
"""Of the documentation; invented."""


def install(app: FastAPI, checkup: Checkup) -> None:
    """Answer at /v1/health."""

    @app.get(
        "/v1/health",
        tags=["operations"],
        summary="What the service stands on, part by part",
        responses={200: example(HEALTH), **problem_docs(500)},
    )
    async def health() -> Health:
        """Always 200: what is told is read by people and not by probes.

        Every worker looks for itself; the one that happens to answer tells.
        """
        return await checkup.look()
