"""What every answer carries, from where a page may read it, and by which names we are asked."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.assistants import Assistants
from serving.hosts import is_near, name_of
from tests.serving.fakes import MakeApp, MemoryStore
from tests.serving.identity_fakes import bearer, production, token

PREFLIGHT = {
    "origin": "https://helpdesk.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type, idempotency-key",
}

Make = Callable[..., TestClient]


@pytest.fixture
def made(make_app: MakeApp, assistants: Assistants, store: MemoryStore) -> Iterator[Make]:
    store.publish()
    assistants.refresh()

    def make(base_url: str = "http://testserver", **settings: Any) -> TestClient:
        return TestClient(make_app(**settings), base_url, follow_redirects=False)

    yield make


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/docs"), ("GET", "/livez"), ("GET", "/v1/model"),
        ("GET", "/metrics"), ("GET", "/nowhere"), ("PUT", "/v1/predict"), ("POST", "/v1/predict"),
    ],
)  # fmt: skip
def test_every_answer_keeps_browsers_from_guessing_framing_and_keeping(
    whole_client: TestClient, method: str, path: str
) -> None:
    headers = whole_client.request(method, path, follow_redirects=False).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] in {"no-store", "no-cache"}
    assert headers["cache-control"] == "no-store" or path.startswith("/docs")
    for name in headers:
        assert len(headers.get_list(name)) == 1, name


def test_a_refusal_and_a_body_too_large_carry_them_too(made: Make, tmp_path: Path) -> None:
    client = made(**production(tmp_path, max_body_bytes=10))
    for response in (client.get("/v1/model"), client.post("/v1/predict", content=b"x" * 11)):
        assert response.status_code in {401, 413}
        assert response.headers["x-content-type-options"] == "nosniff"


def test_what_came_by_https_stays_there(made: Make) -> None:
    told = made("https://testserver").get("/livez").headers
    assert told["strict-transport-security"].startswith("max-age=")
    assert "strict-transport-security" not in made().get("/livez").headers


# Pages of other origins


def test_no_other_origin_may_read_an_answer_by_default(made: Make) -> None:
    client = made()
    for response in (
        client.options("/v1/predict", headers=PREFLIGHT),
        client.get("/v1/model", headers={"origin": "https://helpdesk.example"}),
    ):
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_an_origin_that_is_named_may_and_no_other(made: Make, tmp_path: Path) -> None:
    client = made(**production(tmp_path, cors_origins="https://helpdesk.example"))
    allowed = client.options("/v1/predict", headers=PREFLIGHT)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://helpdesk.example"
    assert "access-control-allow-credentials" not in allowed.headers
    other = client.options("/v1/predict", headers={**PREFLIGHT, "origin": "https://x.example"})
    assert "access-control-allow-origin" not in other.headers
    answer = client.get("/v1/model", headers={**bearer(token()), "origin": PREFLIGHT["origin"]})
    assert answer.status_code == 200
    assert "RateLimit" in answer.headers["access-control-expose-headers"]
    refused = client.get("/v1/model", headers={"origin": PREFLIGHT["origin"]})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://helpdesk.example"


# Names


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"A.example", "a.example"), (b"a.example:3000", "a.example"), (b"[::1]:3000", "::1"),
        (b"::1", "::1"), (b"127.0.0.1:1", "127.0.0.1"), (b"", ""),
    ],
)  # fmt: skip
def test_a_name_is_read_without_its_port(host: bytes, name: str) -> None:
    assert name_of(host) == name


def test_names_of_the_public_dns_are_not_near() -> None:
    for name in ("localhost", "a.localhost", "127.0.0.1", "::1", "workstation", "192.168.0.1"):
        assert is_near(name)
    for name in ("rebound.example", "127.0.0.1.example", "localhost.", "a.localhost.example"):
        assert not is_near(name)


def test_in_development_a_page_of_elsewhere_does_not_get_through_by_its_own_name(
    made: Make,
) -> None:
    for base_url, status in (
        ("http://rebound.example", 421), ("http://localhost:3000", 200), ("http://127.0.0.1", 200),
    ):  # fmt: skip
        assert made(base_url).get("/v1/model").status_code == status


def test_only_names_that_are_ours_are_answered(made: Make, tmp_path: Path) -> None:
    settings = production(tmp_path, allowed_hosts="tickets.example")
    for base_url, status in (("https://tickets.example", 200), ("https://127.0.0.1", 421)):
        client = made(base_url, **settings)
        response = client.get("/v1/model", headers=bearer(token()))
        assert response.status_code == status
        assert client.get("/livez").status_code == 200
    assert response.json()["type"] == "urn:ticket-assistant:problem:host"
    open_to_all = production(tmp_path)
    assert made("https://x.example", **open_to_all).get("/docs").status_code == 200
