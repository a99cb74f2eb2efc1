"""The service as BentoML runs it: in this process, and as the command an operator types."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from starlette.testclient import TestClient

from data.schema import Ticket
from models.deployment import Arm, Deployment
from models.ensemble import Ensemble, TargetEnsemble
from models.linear import LinearMember, LinearParams
from models.manifest import Manifest
from models.publishing import FolderStore
from models.routing import ClassCertificate, RoutingPolicy
from models.sealing import Origin, seal
from models.shortlist import Shortlist
from serving.problems import MEDIA_TYPE
from serving.settings import Settings
from tests.conftest import ROOT, Tickets

SECRET = "S3CRET4711"


@dataclass(frozen=True)
class Published:
    """A store with a small real bundle, not yet named as champion."""

    store: FolderStore
    manifest: Manifest

    def deploy(self) -> None:
        champion = Arm(version=self.manifest.version)
        self.store.deploy(Deployment(champion=champion, published_at=datetime.now(UTC)))


def target_of(classes: tuple[str, ...]) -> TargetEnsemble:
    certificate = ClassCertificate(
        threshold=0.5, certified=True, rows=9, automatic=9, errors=0, lower_bound=0.9,
        reason="invented",
    )  # fmt: skip
    return TargetEnsemble(
        classes=classes,
        weights={"linear": 1.0},
        temperatures={"linear": 1.0},
        temperature=1.0,
        routing=RoutingPolicy(
            accuracy=0.95, confidence=0.95, family="class", method="invented", rows=9,
            certified_automation=0.5, classes=dict.fromkeys(classes, certificate),
        ),
        shortlist=Shortlist(coverage=0.95, threshold=0.1, rows=9),
    )  # fmt: skip


def add_small(store: FolderStore, tickets: Tickets, folder: Path, features: int) -> Manifest:
    """Put a small real bundle into a store, not yet named in its deployment."""
    member = LinearMember(LinearParams(max_features=features, min_df=1))
    member.fit(tickets.texts, tickets.labels).save(folder / "trained/linear")
    targets = {name: target_of(classes) for name, classes in member.targets_.items()}
    Ensemble(targets=targets).write(folder / "trained/ensemble")
    manifest = seal(
        folder / "trained",
        folder / "sealed",
        Origin("sample", fallback=True, data_fingerprint="0" * 64, params={}, metrics={}),
        card="# An invented card\n",
        reference={},
        probes=[Ticket(text=text) for text in tickets.texts[:3]],
    )
    store.add(folder / "sealed")
    return manifest


@pytest.fixture(scope="module")
def published(tickets: Tickets, tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("bundle")
    store = FolderStore(folder / "store")
    return Published(store, add_small(store, tickets, folder, 2_000))


def kept_in(folder: Path) -> dict[str, str]:
    """Settings that keep what is answered, said and asked in a folder of the test."""
    return {
        "store": f"sqlite:///{folder / 'store.db'}",
        "spool": str(folder / "spool"),
        "jobs_folder": str(folder / "jobs"),
    }


@pytest.mark.usefixtures("restored_logging")
def test_the_service_answers_from_the_published_bundle(
    published: Published, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    from serving import service

    published.deploy()
    settings = Settings.model_validate(
        {"bundle_store": str(published.store.root), **kept_in(tmp_path)}
    )
    monkeypatch.setattr(service, "settings", settings)
    with TestClient(service.TicketAssistantService.to_asgi()) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        answer = client.post("/v1/predict", json={"id": "T-1", "text": "the build is red"}).json()
        assert answer["bundle"] == published.manifest.version
        assert answer["fallback"] is True
        assert set(answer["targets"]) == set(published.manifest.targets)
        assert client.get("/livez").status_code == 200
        assert service.door.why_not_ready() is None


def test_bentoml_makes_no_spans_of_requests(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    from serving import service

    around = service.TicketAssistantService.to_asgi().user_middleware
    [spans] = [layer for layer in around if layer.cls.__name__ == "OpenTelemetryMiddleware"]
    assert spans.kwargs["excluded_urls"].url_disabled("http://127.0.0.1/v1/predict")


@dataclass
class Server:
    """`bentoml serve` on a port of the loopback interface."""

    url: str
    log: Path
    process: "subprocess.Popen[bytes]"

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        return httpx.request(method, self.url + path, timeout=20, **request)

    def kill(self) -> None:
        """End every process of it at once, as a power cut would."""
        workers = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGKILL)
        for worker in workers:  # they have sessions of their own
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        self.process.wait(timeout=30)

    def status(self, path: str) -> int | None:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.ask("GET", path).status_code
        except httpx.TransportError:
            return None


def wait_until(condition: Any, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def server(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Started on an empty store; the bundle is published once the server said why it waits."""
    published.store.root.joinpath("deployment.json").unlink(missing_ok=True)
    with serve(published.store, tmp_path_factory.mktemp("server")) as running:
        waiting = running.ask("GET", "/readyz")
        assert waiting.status_code == 503
        assert waiting.headers["content-type"] == MEDIA_TYPE
        assert waiting.json()["detail"]
        published.deploy()
        wait_until(lambda: running.status("/readyz") == 200)
        yield running


@contextmanager
def serve(bundles: FolderStore, folder: Path, **settings: str) -> Iterator[Server]:
    """`bentoml serve`, alive; it is asked to end, and must, unless the test killed it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "BENTOML_HOME": str(folder / "bentoml"),
        "TICKETS_BUNDLE_STORE": str(bundles.root),
        "TICKETS_FOLLOW_SECONDS": "0.2",
        "TICKETS_MAX_BODY_BYTES": "20000",
        "TICKETS_WORKERS": "1",
        **{
            f"TICKETS_{name.upper()}": value for name, value in (kept_in(folder) | settings).items()
        },
    }
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    (folder / "bentoml").mkdir(exist_ok=True)
    command = [
        sys.executable, "-m", "bentoml", "serve", "serving.service:TicketAssistantService",
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    log = folder / "log.txt"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    running = Server(f"http://127.0.0.1:{port}", log, process)
    try:
        wait_until(lambda: running.status("/livez") == 200)
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0


def test_a_bundle_published_later_is_served_without_a_restart(
    server: Server, published: Published
) -> None:
    assert server.ask("GET", "/v1/model").json()["version"] == published.manifest.version
    body = {"tickets": [{"id": str(i), "text": "the login page is down"} for i in range(40)]}
    answer = server.ask("POST", "/v1/predict/batch", json=body).json()
    assert [p["ticket_id"] for p in answer["predictions"]] == [str(i) for i in range(40)]


def test_probes_documents_and_metrics_are_served(server: Server) -> None:
    for path in ("/livez", "/readyz", "/healthz", "/openapi.json", "/docs"):
        assert server.status(path) == 200
    assert server.ask("GET", "/").headers["location"] == "/docs"
    server.ask("POST", "/v1/predict", json={"text": "the login page is down"})
    metrics = server.ask("GET", "/metrics").text
    assert 'tickets_model_info{dataset="sample",fallback="true"' in metrics
    assert "tickets_predictions_total{" in metrics
    assert 'route="/v1/predict",status="200"' in metrics


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("POST", "/livez", 405), ("GET", "/v1/predict", 405)],
)
def test_errors_of_bentoml_are_problems_too(
    server: Server, method: str, path: str, status: int
) -> None:
    response = server.ask(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == MEDIA_TYPE


def test_a_chunked_body_above_the_limit_is_refused_on_the_wire(server: Server) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 1_000

    response = server.ask(
        "POST", "/v1/predict", content=chunks(), headers={"content-type": "application/json"}
    )
    assert response.status_code == 413
    assert response.headers["content-type"] == MEDIA_TYPE


def test_no_word_of_a_client_reaches_the_logs_or_metrics_of_the_process(server: Server) -> None:
    sent = {"content-type": "application/json"}
    for body in (f'{{"text": "{SECRET}"}}', f'{{"text": "{SECRET}"', f'{{"{SECRET}": 1}}'):
        for path in ("/v1/predict", f"/{SECRET}", f"/v1/predict?q={SECRET}", f"/livez/{SECRET}"):
            answer = server.ask("POST", path, content=body, headers=sent)
            assert SECRET not in answer.text
    server.ask("GET", f"/{SECRET}", headers={"x-request-id": SECRET})
    metrics = server.ask("GET", "/metrics").text
    assert SECRET not in metrics
    logged = server.log.read_text()
    assert "POST /v1/predict 200" in logged
    assert SECRET not in logged


def test_the_live_server_keeps_what_it_answers_and_what_is_said_of_it(server: Server) -> None:
    told = server.ask("POST", "/v1/predict", json={"id": "T-9", "text": "the build is red"}).json()
    stored = f"/v1/predictions/{told['id']}"
    wait_until(lambda: server.status(stored) == 200)
    target = next(iter(told["targets"]))
    said = {"key": "k", "prediction_id": told["id"], "target": target, "verdict": "confirm"}
    kept = server.ask("POST", "/v1/feedback", json=said)
    assert kept.json()["feedback"][0]["kept"] == "stored"
    assert server.ask("GET", stored).json()["feedback"][0]["verdict"] == "confirm"
    assert server.ask("DELETE", "/v1/tickets/T-9").json()["predictions"] == 1
    assert server.status(stored) == 404


def test_the_live_server_works_through_a_job(server: Server) -> None:
    lines = b'{"text": "the build is red"}\n{"text": ""}\n'
    header = {"content-type": "application/x-ndjson"}
    job = server.ask("POST", "/v1/jobs", content=lines, headers=header).json()["id"]
    wait_until(lambda: server.ask("GET", f"/v1/jobs/{job}").json()["state"] == "done")
    answers = server.ask("GET", f"/v1/jobs/{job}/result").text.splitlines()
    assert [json.loads(line)["problem"] is None for line in answers] == [True, False]
