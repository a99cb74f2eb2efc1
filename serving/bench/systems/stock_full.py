"""FastAPI around the whole assistant in torch: the full answer, one ticket after the other.

What somebody writes who has our models but not our service: every answer holds what ours holds, by
sentence-transformers in torch, without batching, in FastAPI's thread pool.

BENCH_BUNDLE=models/published/VERSION uvicorn --factory serving.bench.systems.stock_full:create_app
"""

import os
from pathlib import Path

from fastapi import FastAPI, Response

from data.schema import Prediction, Ticket


def create_app() -> FastAPI:
    """The service of the bundle in the folder BENCH_BUNDLE."""
    from models.bundle import load

    _, assistant = load(Path(os.environ["BENCH_BUNDLE"]))
    app = FastAPI()

    @app.post("/v1/predict")
    def predict(ticket: Ticket) -> Prediction:
        return assistant.predict([ticket])[0]

    @app.get("/readyz")
    def ready() -> Response:
        return Response("\n")

    return app
