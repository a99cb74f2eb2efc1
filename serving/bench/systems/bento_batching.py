"""An ordinary BentoML service: a batchable API around the assistant, batched by BentoML itself.

The same bundle by the same runtime as ours, so that only the serving differs: BentoML's adaptive
batching in place of ours, and no contract, no store and no metrics of our own.

BENCH_BUNDLE=models/published/VERSION bentoml serve serving.bench.systems.bento_batching:Batching
"""

import os
from pathlib import Path
from typing import Any

import bentoml

from data.schema import Ticket


@bentoml.service(
    name="ordinary-batching",  # `batching` is a key of BentoML's own configuration
    workers=int(os.environ.get("BENCH_WORKERS", "1")),
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
)
class Batching:
    """One worker with the whole assistant."""

    def __init__(self) -> None:
        from serving.service import load_bundle

        _, self.assistant = load_bundle(Path(os.environ["BENCH_BUNDLE"]))

    # Above the longest expected wait: BentoML refuses what it expects to take longer.
    @bentoml.api(route="/v1/predict", batchable=True, max_batch_size=32, max_latency_ms=10_000)  # type: ignore[untyped-decorator]
    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        """One prediction per text."""
        tickets = [Ticket(text=text) for text in texts]
        return [found.model_dump(mode="json") for found in self.assistant.predict(tickets)]
