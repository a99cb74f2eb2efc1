"""The sample tickets, a tiny encoder and small fitted members: what many tests start from."""

import gc
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.update(
    {
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "DVC_NO_ANALYTICS": "1",
    }
)

import numpy as np
import pytest
from hypothesis import settings

from data.schema import Ticket
from models.assistant import TicketAssistant
from models.ensemble import Ensemble, TargetEnsemble, read_ensemble
from models.routing import ClassCertificate, RoutingPolicy
from models.sealing import Origin, seal
from models.shortlist import Shortlist
from serving.logs import OTHERS, OURS
from tests.postgres import postgres

__all__ = ["postgres"]

ROOT = Path(__file__).parent.parent

# CI must not turn red by a draw of luck; whoever runs the tests at hand looks further every time.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

LONGEST = (
    "test_notebooks.py", "test_walk.py", "pipelines/test_runtime.py",
    "serving/bench/test_bench.py", "serving/drills/test_live.py",
    "pipelines/test_finetuned_fits.py", "pipelines/test_score_ray.py",
    "serving/test_observed_live.py", "serving/test_service_identity.py",
    "serving/test_service.py", "pipelines/test_train.py", "serving/test_fuzz.py",
    "contracts/test_stores.py",
)  # fmt: skip
"""Files that take long for their number of tests: one begun last leaves a core idle at the end."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import without collecting garbage: a million objects come, and nearly none goes."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files."""
    order = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(autouse=True)
def loggers_as_in_a_new_process() -> None:
    """Whatever service or command an earlier test set up here, lines reach the root again."""
    for name in (*OURS, *OTHERS):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


@dataclass(frozen=True)
class Tickets:
    """Parallel sequences of the sample, English first so that slices of it are balanced enough."""

    texts: list[str]
    labels: dict[str, list[str | None]]


def read_sample() -> list[dict[str, str]]:
    lines = (ROOT / "data/sample/tickets.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny models run slower on two busy cores than on one."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def light_collections() -> None:
    """Keep what stands before a module of tests out of garbage collections.

    Each swap of bundles asks for one, and hundreds of tests swap: it takes 0.6 s with the million
    objects that the modules of all tests bring along, and microseconds without them.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def sample() -> list[dict[str, str]]:
    return read_sample()


@pytest.fixture(scope="session")
def tickets(sample: list[dict[str, str]]) -> Tickets:
    """120 sample tickets with category and severity; every seventh severity is missing."""
    rows = sample[:120]
    return Tickets(
        texts=[row["text"] for row in rows],
        labels={
            "category": [row["category"] for row in rows],
            "severity": [None if i % 7 == 0 else row["severity"] for i, row in enumerate(rows)],
        },
    )


class KeywordMember:
    """Sure of `network` where a text names one, and unsure of `printer` elsewhere."""

    def __init__(self, probabilities: dict[str, list[float]]) -> None:
        self.targets_ = {"category": ("network", "printer")}
        self.probabilities = probabilities

    @classmethod
    def load(cls, folder: Path) -> "KeywordMember":
        return cls(json.loads((folder / "member.json").read_text()))

    def predict_proba(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        named = ["named" if "network" in text else "else" for text in texts]
        return {"category": np.array([self.probabilities[key] for key in named])}


def load_keywords(folder: Path) -> TicketAssistant:
    """Construct what `trained_keywords` holds."""
    members = {"linear": KeywordMember.load(folder / "linear")}
    return TicketAssistant(members, read_ensemble(folder / "ensemble"))


@pytest.fixture
def keywords() -> Callable[[Path], TicketAssistant]:
    return load_keywords


@pytest.fixture
def trained_keywords(tmp_path: Path) -> Path:
    """A folder as the stages leave it: a member that answers by rule, and an ensemble of it."""
    folder = tmp_path / "trained"
    certificates = {
        "network": ClassCertificate(
            threshold=0.9, certified=True, rows=90, automatic=80, errors=1, lower_bound=0.95,
            reason="certified",
        ),
        "printer": ClassCertificate(
            threshold=None, certified=False, rows=9, automatic=0, errors=0, lower_bound=0.0,
            reason="too few rows",
        ),
    }  # fmt: skip
    target = TargetEnsemble(
        classes=("network", "printer"),
        weights={"linear": 1.0, "embedding": 0.0},
        temperatures={"linear": 1.0, "embedding": 1.0},
        temperature=1.0,
        routing=RoutingPolicy(
            accuracy=0.95, confidence=0.95, family="class", method="invented", rows=99,
            certified_automation=0.8, classes=certificates,
        ),
        shortlist=Shortlist(coverage=0.95, threshold=0.1, rows=99),
    )  # fmt: skip
    Ensemble(targets={"category": target}).write(folder / "ensemble")
    (folder / "linear").mkdir()
    (folder / "embedding").mkdir()
    answers = {"named": [0.97, 0.03], "else": [0.3, 0.7]}
    (folder / "linear/member.json").write_text(json.dumps(answers))
    (folder / "linear/probabilities.npz").write_bytes(b"not part of the model")
    (folder / "linear/training.json").write_text('{"seconds": 1.5}')
    (folder / "embedding/member.json").write_text("{}")
    return folder


@pytest.fixture
def sealed(trained_keywords: Path, tmp_path: Path) -> Path:
    """A sealed bundle of `trained_keywords`."""
    folder = tmp_path / "bundles" / "candidate"
    seal(
        trained_keywords,
        folder,
        Origin(
            dataset="invented",
            fallback=True,
            data_fingerprint="f" * 64,
            params={"seed": 1, "prepare": {"language": {"targets": ["en", "nl"]}}},
            metrics={"targets": {"category": {"accuracy": 0.9, "accuracy_ci": [0.88, 0.92]}}},
        ),
        card="# An invented card\n",
        reference={"tickets": 3},
        probes=[Ticket(text="the network is down"), Ticket(text="no paper left")],
        construct=load_keywords,
    )
    return folder


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs; making one takes seconds, so it is made once and copied."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def repository(tmp_path: Path, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in, tracked in a database of its own."""
    root = tmp_path / "repository"
    root.mkdir()
    shutil.copy(empty_mlflow, root / "mlflow.db")
    monkeypatch.chdir(root)
    for name in (
        "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "TICKETS_TRACKING",
        "TICKETS_BUNDLE_STORE", "DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    return root
