"""What one writes in an afternoon: FastAPI around sentence-transformers and scikit-learn.

It answers the same ensemble from the files of the same bundle: per target the label, its
confidence and the decision; nothing else of what ours tells (no entities, no tone, no words, no
similar tickets, no novelty and no language), so it does less for a ticket. torch is left as it is
installed, but for its one thread per worker.

BENCH_BUNDLE=models/published/VERSION uvicorn --factory serving.bench.systems.stock:create_app
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI, Response
from safetensors.numpy import load_file

from data.schema import Ticket
from data.text import model_text
from models.base import Probabilities, align_columns
from models.ensemble import read_ensemble
from models.heads import load_heads, predict_head
from models.linear import LinearMember

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Answers = dict[str, Probabilities]
"""Target -> probabilities of one text, shape (1, k)."""


def create_app() -> FastAPI:
    """The service of the bundle in the folder BENCH_BUNDLE."""
    folder = Path(os.environ["BENCH_BUNDLE"])
    ensemble = read_ensemble(folder / "ensemble")
    members = {name: OPEN[name](folder / name) for name in ensemble.members}
    columns = {name: _columns(folder / name) for name in members}
    app = FastAPI()

    @app.post("/v1/predict")
    def predict(ticket: Ticket) -> dict[str, Any]:
        text = model_text(ticket.full_text)
        answers = {}
        for name, answer in members.items():
            found = answer(text)
            answers[name] = {
                target: align_columns(found[target], columns[name][target], asked.classes)
                for target, asked in ensemble.targets.items()
            }
        targets = {}
        for target, probabilities in ensemble.combine(answers, [text]).items():
            policy = ensemble.targets[target].routing
            decided = policy.decide(probabilities)
            targets[target] = {
                "label": ensemble.targets[target].classes[decided.label[0]],
                "confidence": float(decided.confidence[0]),
                "decision": "auto" if decided.automatic[0] else "review",
            }
        return {"targets": targets}

    @app.get("/readyz")
    def ready() -> Response:
        return Response("\n")

    return app


def open_linear(folder: Path) -> Callable[[str], Answers]:
    """TF-IDF and logistic regression."""
    member = LinearMember.load(folder)
    return lambda text: member.predict_proba([text])


def open_embedding(folder: Path) -> Callable[[str], Answers]:
    """The published sentence encoder and logistic regression."""
    encoder = _open_encoder(folder / "encoder")
    heads = load_heads(folder, _columns(folder))

    def answer(text: str) -> Answers:
        vector = np.asarray(encoder.encode([text]), np.float64)
        return {target: predict_head(head, vector) for target, head in heads.items()}

    return answer


def open_finetuned(folder: Path) -> Callable[[str], Answers]:
    """The tuned encoders, each with its heads; their answers are averaged."""
    networks = [
        (_open_encoder(own / "encoder"), load_file(own / "heads.safetensors"))
        for own in sorted(folder.glob("network-*"))
    ]
    targets = list(_columns(folder))

    def answer(text: str) -> Answers:
        told: dict[str, list[Probabilities]] = {target: [] for target in targets}
        for encoder, heads in networks:
            vector = np.asarray(encoder.encode([text]), np.float64)  # (1, dimension)
            for i, target in enumerate(targets):
                logits = vector @ heads[f"{i}.weight"].T + heads[f"{i}.bias"]
                raised = np.exp(logits - logits.max())
                told[target].append(raised / raised.sum())
        return {target: np.mean(found, axis=0) for target, found in told.items()}

    return answer


OPEN = {"linear": open_linear, "embedding": open_embedding, "finetuned": open_finetuned}


def _open_encoder(folder: Path) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def _columns(folder: Path) -> dict[str, tuple[str, ...]]:
    facts = json.loads((folder / "member.json").read_text(encoding="utf-8"))
    return {target: tuple(names) for target, names in facts["targets"].items()}
