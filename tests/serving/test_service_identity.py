"""The production profile as an operator starts it: real workers, secrets in files."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from models.publishing import FolderStore
from serving import keys
from tests.conftest import ROOT, Tickets
from tests.serving.identity_fakes import SALT, bearer, key_file
from tests.serving.test_service import Published, Server, add_small, serve, wait_until

IN_A_ROW = 20
"""Answers on connections of their own, so that both workers are among those who gave them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identity")


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    return key_file(folder, "admin")[1]


@pytest.fixture(scope="module")
def production(folder: Path, key: str, tickets: Tickets) -> Iterator[Server]:
    store = FolderStore(folder / "store")
    published = Published(store, add_small(store, tickets, folder, 2_000))
    published.deploy()
    (folder / "salt").write_text(SALT + "\n")
    settings = {
        "profile": "production", "salt_file": str(folder / "salt"),
        "key_file": str(folder / "keys.json"), "workers": "2",
    }  # fmt: skip
    with serve(store, folder, **settings) as running:
        wait_until(lambda: running.status("/readyz") == 200, 180)
        yield running


def statuses(server: Server, credential: str) -> set[int]:
    """What several requests get, each on its own connection."""
    return {
        httpx.get(server.url + "/v1/arms", headers=bearer(credential), timeout=20).status_code
        for _ in range(IN_A_ROW)
    }


def test_a_key_counts_in_all_workers_within_seconds_and_so_does_its_end(
    production: Server, folder: Path, key: str
) -> None:
    file, now = folder / "keys.json", datetime.now(UTC)
    assert statuses(production, key) == {200}
    other = keys.create(file, "other", "viewer", None, None, now)
    wait_until(lambda: statuses(production, other) == {200}, 10)
    keys.revoke(file, "other", now)
    wait_until(lambda: statuses(production, other) == {401}, 10)
    assert statuses(production, key) == {200}


def test_probes_need_no_key_and_everything_else_does(production: Server, key: str) -> None:
    for path in ("/livez", "/readyz", "/healthz", "/docs"):
        assert production.status(path) == 200
    for path in ("/v1/model", "/metrics", "/v1/predictions"):
        assert production.status(path) == 401
        assert production.ask("GET", path, headers=bearer(key)).status_code == 200


def test_answers_of_bentoml_carry_the_safe_headers_and_its_own_address_is_hidden(
    production: Server,
) -> None:
    for path in ("/livez", "/healthz", "/schema.json", "/nowhere"):
        headers = production.ask("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers.get_list("cache-control") == ["no-store"]
    assert production.status("/schema.json") == 404


def test_no_secret_stands_in_the_log(production: Server, key: str) -> None:
    production.ask("GET", "/v1/model", headers=bearer(key))
    production.ask("GET", "/v1/model", headers=bearer(key + "x"))
    log = production.log.read_text()
    assert key.rpartition("_")[2] not in log
    assert SALT not in log


def test_production_without_its_secrets_ends_before_it_listens(tmp_path: Path) -> None:
    environment = {**os.environ, "TICKETS_PROFILE": "production", "BENTOML_HOME": str(tmp_path)}
    command = [
        sys.executable, "-m", "bentoml", "serve", "serving.service:TicketAssistantService",
        "--host", "127.0.0.1", "--port", "0",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "TICKETS_SALT: production needs" in told
    assert "TICKETS_KEY_FILE or TICKETS_JWT_ISSUER: production has to know who asks" in told
    assert "Traceback" not in told
