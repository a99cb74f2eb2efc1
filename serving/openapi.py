"""The OpenAPI document as it is told: the contract, and who may ask what of it."""

from typing import Any

from fastapi import FastAPI

from serving.contract import document
from serving.security_docs import describe
from serving.settings import Settings


def install(app: FastAPI, settings: Settings) -> None:
    """Make the app tell its document, which is written when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app, settings)
            describe(app.openapi_schema, settings)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
