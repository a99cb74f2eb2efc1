"""What the replay asks over HTTP, and what it does with what comes back."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from data.errors import ModelError
from pipelines import replay_service as service
from pipelines.replay_service import Client, served
from pipelines.replay_tickets import Known
from pipelines.replay_workspace import Workspace

TICKETS = [Known(f"t{n}", f"text {n}", "cloud", "2011-01", None) for n in range(150)]


def prediction(ticket: str, bundle: str = "b-1") -> dict[str, object]:
    answer = {"label": "cloud", "decision": "auto"}
    return {"ticket_id": ticket, "id": f"p-{ticket}", "bundle": bundle, "targets": {"kind": answer}}


def client(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://service")
    return Client(http, "kind")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.time, "sleep", lambda seconds: None)


def test_tickets_go_in_batches_and_answers_come_in_their_order() -> None:
    sizes = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)["tickets"]
        sizes.append(len(asked))
        return httpx.Response(200, json={"predictions": [prediction(t["id"]) for t in asked]})

    told = client(answer).predict(TICKETS)
    assert sizes == [64, 64, 22]
    assert [one.ticket for one in told] == [ticket.id for ticket in TICKETS]
    assert told[0] == ("t0", "p-t0", "cloud", True, "b-1")


def test_what_is_busy_is_asked_again_and_what_is_wrong_is_not() -> None:
    codes = iter([503, 504, 200])
    busy = client(lambda _: httpx.Response(next(codes), json={"items": [], "title": "busy"}))
    assert busy.review(9) == []
    asked = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(422, json={"title": "not valid"})

    with pytest.raises(ModelError, match="422 not valid"):
        client(refuse).find("p-1")
    assert asked == ["/v1/predictions/p-1"]


def test_a_service_that_is_away_is_named_in_the_error() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no", request=request)

    with pytest.raises(ModelError, match="ConnectError"):
        client(away).review(1)


def test_pages_are_followed_and_shadows_are_no_audit() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        first = "cursor" not in request.url.params
        rows = [{"id": "p1", "arm": "champion"}] if first else [{"id": "p2", "arm": "shadow"}]
        return httpx.Response(200, json={"predictions": rows, "next": "more" if first else None})

    assert [row["id"] for row in client(answer).audits("2011-01-01T00:00:00Z")] == ["p1"]
    assert [page.get("cursor") for page in asked] == [None, "more"]
    assert asked[0]["answered"] == "false"


def test_what_a_shadow_answered_is_found_by_the_answer_it_stood_beside() -> None:
    rows = [{"beside": "p-9", "prediction": prediction("t1", "b-0")}]
    answer = httpx.Response(200, json={"predictions": rows, "next": None})
    found = client(lambda _: answer).shadows("2011-01-01T00:00:00Z")
    assert found["p-9"].bundle == "b-0"


def test_feedback_goes_in_parts_that_the_service_takes() -> None:
    sizes = []

    def answer(request: httpx.Request) -> httpx.Response:
        sizes.append(len(json.loads(request.content)["feedback"]))
        return httpx.Response(200, json={})

    client(answer).say([{"key": str(n)} for n in range(250)])
    assert sizes == [100, 100, 50]


def test_a_bundle_that_is_not_taken_over_in_time_is_an_error() -> None:
    versions = iter(["b-1", "b-1", "b-2"])
    client(lambda _: httpx.Response(200, json={"version": next(versions)})).wait_for("b-2")
    stays = client(lambda _: httpx.Response(200, json={"version": "b-1"}))
    with pytest.raises(ModelError, match="did not take over b-2"):
        stays.wait_for("b-2", seconds=-1)


SERVER = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
    def log_message(self, *a): pass
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), Ready).serve_forever()
"""


@pytest.fixture
def bentoml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Workspace]:
    """A command of that name that runs some Python instead."""

    def write(code: str) -> Workspace:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "bentoml").write_text(f"#!{sys.executable}\n{code}")
        (folder / "bentoml").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        space = Workspace(tmp_path / "desk")
        space.arm_folder("loop").mkdir(parents=True)
        return space

    return write


def test_a_service_that_ends_at_once_is_an_error_that_names_its_log(
    bentoml: Callable[[str], Workspace],
) -> None:
    space = bentoml("raise SystemExit(3)")
    with (
        pytest.raises(ModelError, match="did not become ready"),
        served(space, "loop", "kind", 0.1),
    ):
        pass


def test_a_started_service_is_ended_with_the_block(
    bentoml: Callable[[str], Workspace],
) -> None:
    space = bentoml(SERVER)
    with served(space, "loop", "kind", 0.1) as started:
        http = started._http
        address = http.base_url.join("/readyz")
        assert http.get("/readyz").status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(address)
