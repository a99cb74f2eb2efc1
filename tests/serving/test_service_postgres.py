"""The running service on PostgreSQL: what it acknowledged is there after it was killed."""

from pathlib import Path

import pytest

from data.sql_engine import open_engine
from data.sql_migrations import migrate
from tests.postgres import Postgres
from tests.serving.test_service import Published, Server, published, serve, wait_until

__all__ = ["published"]


@pytest.fixture
def database(postgres: Postgres) -> str:
    url = postgres.new_database()
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
    return url


def ready(server: Server) -> Server:
    wait_until(lambda: server.status("/readyz") == 200)
    return server


def test_what_was_acknowledged_survives_a_kill(
    published: Published, database: str, tmp_path: Path
) -> None:
    published.deploy()
    settings = {"store": database, "record_lag_ms": "0"}
    with serve(published.store, tmp_path, **settings) as server:
        ready(server)
        header = {"X-Customer": "C-1", "X-Arm": "champion"}
        ticket = {"id": "T-1", "text": "the build is red"}
        told = server.ask("POST", "/v1/predict", json=ticket, headers=header).json()
        target = next(iter(told["targets"]))
        said = {"key": "k", "prediction_id": told["id"], "target": target, "verdict": "confirm"}
        kept = server.ask("POST", "/v1/feedback", json=said).json()["feedback"][0]
        assert (kept["kept"], kept["status"]) == ("stored", "accepted")
        server.kill()
    with serve(published.store, tmp_path, **settings) as server:
        ready(server)
        found = server.ask("GET", f"/v1/predictions/{told['id']}").json()
        assert found["prediction"] == told
        assert (found["customer"], found["explicit"]) == ("C-1", True)
        assert [one["key"] for one in found["feedback"]] == ["k"]
        pages = server.ask("GET", "/v1/predictions", params={"arm": "champion"}).json()
        assert [one["id"] for one in pages["predictions"]] == [told["id"]]
        gone = server.ask("DELETE", "/v1/customers/C-1").json()
        assert (gone["predictions"], gone["feedback"]) == (1, 1)
