"""How each system is started and asked."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"

OURS, OURS_FAST = "ours", "ours-fast"
OURS_DECISION, OURS_CACHED = "ours-decision", "ours-cached"
OURS_CAPITALS = "ours-capitals"
STOCK, STOCK_FULL, BENTO, TFIDF = "stock", "stock-full", "bentoml-batching", "tfidf"
IN_PROCESS = "in-process"

FULL_ANSWER = "everything"
DECISION = "label and decision"

Start = Callable[[int, int], list[str]]
"""From port and number of workers to the command."""


@dataclass(frozen=True)
class System:
    """One way to answer tickets from a bundle.

    Attributes
    ----------
    tells : what one answer holds
    start : None where it is no server, see `systems/in_process`
    listed : the body is a list of one text instead of a ticket
    capitals : texts begin with one, see `texts.begun_large`
    """

    name: str
    title: str
    tells: str
    start: Start | None
    path: str = "/v1/predict"
    listed: bool = False
    capitals: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


def _bentoml(service: str) -> Start:
    def command(port: int, workers: int) -> list[str]:
        # The number of workers stands in the environment: BentoML reads it from the service.
        return [
            sys.executable, "-m", "bentoml", "serve", service, "--host", HOST, "--port", str(port),
        ]  # fmt: skip

    return command


def _uvicorn(module: str) -> Start:
    def command(port: int, workers: int) -> list[str]:
        factory = f"serving.bench.systems.{module}:create_app"
        return [
            sys.executable, "-m", "uvicorn", "--factory", factory,
            "--host", HOST, "--port", str(port), "--workers", str(workers),
        ]  # fmt: skip

    return command


_OUR_SERVICE = _bentoml("serving.service:TicketAssistantService")

SYSTEMS = {
    system.name: system
    for system in (
        System(OURS, "Ticket Assistant", FULL_ANSWER, _OUR_SERVICE),
        System(
            OURS_FAST,
            "Ticket Assistant, bfloat16 allowed",
            FULL_ANSWER,
            _OUR_SERVICE,
            settings={"TICKETS_PRECISION": "fast"},
        ),
        System(
            OURS_DECISION,
            "Ticket Assistant, `detail=decision`",
            DECISION,
            _OUR_SERVICE,
            path="/v1/predict?detail=decision",
        ),
        System(
            OURS_CACHED,
            "Ticket Assistant, answers remembered",
            FULL_ANSWER,
            _OUR_SERVICE,
            settings={"TICKETS_CACHE": "process"},
        ),
        System(
            OURS_CAPITALS,
            "Ticket Assistant, texts with capitals",
            FULL_ANSWER,
            _OUR_SERVICE,
            capitals=True,
        ),
        System(STOCK, "FastAPI + sentence-transformers", DECISION, _uvicorn("stock")),
        System(STOCK_FULL, "FastAPI + the assistant in torch", FULL_ANSWER, _uvicorn("stock_full")),
        System(
            BENTO,
            "BentoML's own batching",
            FULL_ANSWER,
            _bentoml("serving.bench.systems.bento_batching:Batching"),
            listed=True,
        ),
        System(TFIDF, "FastAPI + TF-IDF only", "label", _uvicorn("tfidf")),
        System(IN_PROCESS, "the runtime in process, no HTTP", FULL_ANSWER, None),
    )
}
"""In the order in which they are measured: ours first, so that the others are held against it."""


def environment(
    system: System, workers: int, store: Path, bundle: Path, kept: Path
) -> dict[str, str]:
    """What a system is told by its environment, beside what it inherits.

    Parameters
    ----------
    store : bundle store that names the bundle as champion
    bundle : its folder
    kept : an empty folder for what the system writes
    """
    one_thread = dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TICKETS_THREADS"), "1"
    )
    return {
        **one_thread,
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "true",
        "BENTOML_HOME": str(kept / "bentoml"),
        "BENCH_BUNDLE": str(bundle),
        "BENCH_WORKERS": str(workers),
        "TICKETS_WORKERS": str(workers),
        "TICKETS_BUNDLE_STORE": str(store),
        "TICKETS_STORE": f"sqlite:///{kept / 'store.db'}",
        "TICKETS_SPOOL": str(kept / "spool"),
        "TICKETS_JOBS_FOLDER": str(kept / "jobs"),
        "TICKETS_CACHE": "off",
        "TICKETS_PRECISION": "same",
        **system.settings,
    }
