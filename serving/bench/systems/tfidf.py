"""FastAPI around TF-IDF and logistic regression alone: fast, and wrong more often.

The linear member of the bundle, and per target its best class. It has no certificate of its own, so
nothing is decided for anybody.

BENCH_BUNDLE=models/published/VERSION uvicorn --factory serving.bench.systems.tfidf:create_app
"""

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response

from data.schema import Ticket
from data.text import model_text
from models.linear import LinearMember


def create_app() -> FastAPI:
    """The service of the bundle in the folder BENCH_BUNDLE."""
    member = LinearMember.load(Path(os.environ["BENCH_BUNDLE"]) / "linear")
    app = FastAPI()

    @app.post("/v1/predict")
    def predict(ticket: Ticket) -> dict[str, Any]:
        targets = {}
        for target, found in member.predict_proba([model_text(ticket.full_text)]).items():
            best = int(found[0].argmax())
            targets[target] = {
                "label": member.targets_[target][best],
                "confidence": float(found[0][best]),
            }
        return {"targets": targets}

    @app.get("/readyz")
    def ready() -> Response:
        return Response("\n")

    return app
