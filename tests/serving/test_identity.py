"""Who asks and what they may, at the door of the whole contract."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from serving import keys
from serving.app import create_app
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.edge import ForeignErrors
from serving.guard import UnguardedRouteError, needs_of, unguarded
from serving.identity import is_local
from serving.jobs import Jobs
from serving.permissions import ANONYMOUS, GRANTED, ROLES, ROUTES, Permission
from serving.principals import CredentialKind, RefusalReason
from serving.problems import MEDIA_TYPE
from serving.settings import Settings
from serving.telemetry import Telemetry
from tests.serving.fakes import VERSION, MakeApp, MemoryStore, make_manifest
from tests.serving.identity_fakes import (
    SALT,
    as_jwk,
    bearer,
    jwks,
    key_file,
    production,
    rsa_key,
    token,
)
from tests.serving.store_fakes import FakeStore, opened_archive
from tests.serving.test_token_keys import served

Open = Callable[..., Any]
ASKED = {
    "/v1/predictions/{id}": "/v1/predictions/nothing",
    "/v1/predictions/export": "/v1/predictions/export?format=jsonl",
    "/v1/jobs/{id}": f"/v1/jobs/{'0' * 32}",
    "/v1/jobs/{id}/result": f"/v1/jobs/{'0' * 32}/result",
    "/v1/tickets/{ticket_id}": "/v1/tickets/T-1",
    "/v1/customers/{customer}": "/v1/customers/C-1",
}
BODIES: dict[str, Any] = {
    "/v1/predict": {"text": "a printer"},
    "/v1/predict/batch": {"tickets": [{"text": "a printer"}]},
    "/v1/similar": {"ticket": {"text": "a printer"}},
    "/v1/jobs": {"tickets": [{"text": "a printer"}]},
}


@pytest.fixture
def kept() -> FakeStore:
    return FakeStore()


@pytest.fixture
def opened(assistants: Assistants, store: MemoryStore, kept: FakeStore, tmp_path: Path) -> Open:
    """The whole contract with settings, from an address."""
    store.publish()
    assistants.refresh()

    @contextmanager
    def make(at: str = "198.51.100.7", **settings: Any) -> Iterator[TestClient]:
        chosen = Settings.model_validate(settings)
        batcher = Batcher(chosen.encoder_batch, chosen.max_waiting)
        jobs = Jobs(tmp_path / "jobs", 50, 50, timedelta(hours=1))
        telemetry = Telemetry(CollectorRegistry())
        with opened_archive(kept, tmp_path, max_jobs=50) as archive:
            archive.know(VERSION, make_manifest().targets)
            app = create_app(chosen, assistants, batcher, telemetry, archive=archive, jobs=jobs)
            retold = ForeignErrors(app, lambda: assistants.why_not_ready)
            with TestClient(retold, client=(at, 4711), follow_redirects=False) as client:
                yield client

    return make


@pytest.fixture
def whole(opened: Open, tmp_path: Path) -> Iterator[TestClient]:
    """In production, with an issuer of tokens."""
    with opened(**production(tmp_path)) as client:
        yield client


def as_role(*roles: str, **more: Any) -> dict[str, str]:
    return bearer(token(roles=list(roles), **more))


def ask(client: TestClient, route: str, headers: dict[str, str]) -> Any:
    method, _, path = route.partition(" ")
    return client.request(method, ASKED.get(path, path), json=BODIES.get(path), headers=headers)


def problem(response: Any, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    told: dict[str, Any] = response.json()
    assert told["type"] == f"urn:ticket-assistant:problem:{name}"
    return told


# The table


def test_every_route_names_its_permission(whole_app: FastAPI) -> None:
    assert unguarded(whole_app) == []
    named = {name for route in whole_app.routes for name in needs_of(route)}
    assert named == set(ROUTES), "a permission is named for a route that is not there"


def test_a_route_without_a_permission_keeps_the_service_from_starting(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(ROUTES, "GET /v1/arms")
    with pytest.raises(UnguardedRouteError, match="GET /v1/arms"):
        make_app()


def test_a_role_may_all_that_the_one_before_it_may() -> None:
    for less, more in zip(("anonymous", *GRANTED), GRANTED, strict=False):
        assert ROLES[less] < ROLES[more]  # type: ignore[index]
    assert ROLES["admin"] == set(ROUTES.values()), "a permission no route needs, or nobody has"


@pytest.mark.parametrize("role", [None, *GRANTED])
def test_a_role_opens_what_the_table_says_and_nothing_else(
    whole: TestClient, role: str | None
) -> None:
    headers = {} if role is None else as_role(role)
    granted: frozenset[Permission] = ANONYMOUS if role is None else ROLES[role]  # type: ignore[index]
    there = {name for route in whole_routes(whole) for name in needs_of(route)}
    for route, permission in ROUTES.items():
        if route not in there:
            continue
        response = ask(whole, route, headers)
        if permission in granted:
            assert response.status_code not in {401, 403}, route
        elif role is None:
            assert problem(response, 401, "unauthenticated")
            assert response.headers["www-authenticate"] == 'Bearer realm="ticket-assistant"'
        else:
            assert problem(response, 403, "forbidden")["detail"].endswith(f"{permission} is needed")
            told = response.headers["www-authenticate"]
            assert f'error="insufficient_scope", scope="{permission}"' in told


def whole_routes(client: TestClient) -> list[Any]:
    app = client.app.app  # type: ignore[attr-defined]
    assert isinstance(app, FastAPI)
    return list(app.routes)


def test_who_may_not_ask_is_refused_before_the_body_is_read(whole: TestClient) -> None:
    response = whole.post("/v1/predict", content=b"{", headers=as_role("viewer"))
    problem(response, 403, "forbidden")
    assert "errors" not in response.json()


# Credentials


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_a_key_is_shown_in_either_header(opened: Open, tmp_path: Path, header: str) -> None:
    file, key = key_file(tmp_path, "agent")
    shown = bearer(key) if header == "authorization" else {"X-API-Key": key}
    with opened(profile="production", salt=SALT, key_file=file) as client:
        assert client.post("/v1/predict", json={"text": "a"}, headers=shown).status_code == 200
        assert client.post("/v1/predict", json={"text": "a"}).status_code == 401


def test_a_revoked_key_is_refused_within_seconds_without_a_restart(
    opened: Open, tmp_path: Path
) -> None:
    file, key = key_file(tmp_path, "agent")
    keys.create(file, "other", "agent", None, None, datetime.now(UTC))
    with opened(profile="production", salt=SALT, key_file=file) as client:
        assert client.get("/v1/model", headers=bearer(key)).status_code == 200
        keys.revoke(file, "first", datetime.now(UTC))
        deadline = datetime.now(UTC) + timedelta(seconds=5)
        while client.get("/v1/model", headers=bearer(key)).status_code == 200:
            assert datetime.now(UTC) < deadline
        told = problem(client.get("/v1/model", headers=bearer(key)), 401, "unauthenticated")
        assert told["detail"] == "the key is revoked"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "nonsense"},
        {"authorization": "Bearer ta_unknown"},
        {"authorization": "Bearer \xff\xfe"},
        {"x-api-key": ""},
        {"authorization": "Bearer " + "a" * 20_000},
    ],
)
def test_a_credential_that_is_none_is_refused_and_not_repeated(
    whole: TestClient, headers: dict[str, str]
) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    response = whole.get("/v1/model", headers=raw)
    problem(response, 401, "unauthenticated")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert "unknown" not in response.text
    assert "YTpi" not in response.text


def test_two_credentials_are_one_too_many(whole: TestClient) -> None:
    good = token()
    both = [("authorization", f"Bearer {good}"), ("x-api-key", good)]
    told = problem(whole.get("/v1/model", headers=both), 401, "unauthenticated")  # type: ignore[arg-type]
    assert told["detail"] == "more than one credential is shown"


def test_a_bad_credential_keeps_nobody_from_what_all_may_see(whole: TestClient) -> None:
    for path in ("/livez", "/readyz", "/docs", "/openapi.json"):
        assert whole.get(path, headers=bearer(token(rsa_key(9)))).status_code == 200


def test_an_issuer_that_cannot_be_reached_is_told_as_such(opened: Open, tmp_path: Path) -> None:
    settings = production(tmp_path, jwt_keys="http://127.0.0.1:1/jwks")
    with opened(**settings) as client:
        response = client.get("/v1/model", headers=as_role("viewer"))
        problem(response, 503, "issuer")
        assert response.headers["retry-after"] == "5"
        assert client.get("/livez", headers=as_role("viewer")).status_code == 200


def test_keys_of_an_issuer_are_fetched_from_its_address(opened: Open, tmp_path: Path) -> None:
    with (
        served(200, jwks(as_jwk(rsa_key())), {}) as address,
        opened(**production(tmp_path, jwt_keys=address)) as client,
    ):
        assert client.get("/v1/model", headers=as_role("viewer")).status_code == 200
        response = client.get("/v1/model", headers=bearer(token(rsa_key(9))))
        problem(response, 401, "unauthenticated")


def test_the_documentation_can_be_closed(opened: Open, tmp_path: Path) -> None:
    with opened(**production(tmp_path, open_docs=False)) as client:
        assert client.get("/docs").status_code == 401
        assert client.get("/openapi.json").status_code == 401
        assert client.get("/openapi.json", headers=as_role("viewer")).status_code == 200
        assert client.get("/livez").status_code == 200


# Who it was is kept


def feedback_for(client: TestClient, headers: dict[str, str], **more: Any) -> Any:
    id = client.post("/v1/predict", json={"text": "a printer"}, headers=headers).json()["id"]
    said = {"key": f"k-{id}", "prediction_id": id, "target": "category", "verdict": "confirm"}
    return client.post("/v1/feedback", json={**said, **more}, headers=headers)


@pytest.mark.parametrize(
    ("claimed", "author"),
    [
        (None, "user:alice"),
        ("user:alice", "user:alice"),
        ("bob", "user:alice/bob"),
        ("user:bob", "user:alice/user:bob"),
    ],
)
def test_feedback_is_signed_by_who_sends_it(
    whole: TestClient, kept: FakeStore, claimed: str | None, author: str
) -> None:
    more = {} if claimed is None else {"author": claimed}
    assert feedback_for(whole, as_role("agent"), **more).status_code in {200, 202}
    assert [row.author for row in kept.feedback.values()] == [author]


def test_a_name_too_long_with_the_senders_before_it_is_told(whole: TestClient) -> None:
    response = feedback_for(whole, as_role("agent"), author="b" * 195)
    told = problem(response, 422, "validation")
    assert [error["pointer"] for error in told["errors"]] == ["#/author"]


def test_an_erasure_names_who_asked_for_it(whole: TestClient, kept: FakeStore) -> None:
    assert whole.delete("/v1/tickets/T-1", headers=as_role("admin")).status_code == 200
    assert [event.actor for event in kept.lines] == ["user:alice"]


# The development profile


def test_in_development_this_machine_needs_no_credential(opened: Open) -> None:
    with opened(at="127.0.0.1") as client:
        assert client.post("/v1/predict", json={"text": "a"}).status_code == 200
        assert client.delete("/v1/tickets/T-1").status_code == 200


@pytest.mark.parametrize("at", ["198.51.100.7", "10.0.0.1", "::ffff:198.51.100.7", "fe80::1"])
def test_in_development_other_machines_are_refused(opened: Open, at: str) -> None:
    with opened(at=at) as client:
        for path in ("/v1/model", "/docs", "/metrics", "/nowhere"):
            problem(client.get(path), 403, "development")
        assert client.get("/livez").status_code == 200


def test_in_development_a_proxy_is_another_machine(opened: Open) -> None:
    with opened(at="127.0.0.1") as client:
        for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP"):
            problem(client.get("/v1/model", headers={name: "127.0.0.1"}), 403, "development")


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("::ffff:127.0.0.1", True),
        (None, True), ("", True), ("testclient", True), ("192.168.0.1", False),
        ("0.0.0.0", False), ("::", False), ("localhost.example", False), ("127.0.0.1.", False),
    ],
)  # fmt: skip
def test_this_machine_is_its_loopback(host: str | None, near: bool) -> None:
    assert is_local(host, []) is near


def test_in_development_a_credential_that_is_shown_is_checked(opened: Open, tmp_path: Path) -> None:
    file, key = key_file(tmp_path, "viewer")
    with opened(at="127.0.0.1", key_file=file) as client:
        assert client.get("/v1/model", headers=bearer(key)).status_code == 200
        problem(client.get("/v1/jobs", headers=bearer(key)), 403, "forbidden")
        problem(client.get("/v1/jobs", headers=bearer(key[:-1] + "-")), 401, "unauthenticated")
        assert client.get("/v1/jobs").status_code == 200


def test_the_development_profile_says_so_when_it_starts(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with caplog.at_level(logging.WARNING, "serving.identity"):
        make_app()
    assert "profile development" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "serving.identity"):
        make_app(**production(tmp_path))
    assert "development" not in caplog.text


# Nothing of it is told


def test_no_credential_reaches_a_log_an_answer_or_the_metrics(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture, restored_logging: None
) -> None:
    file, key = key_file(tmp_path, "admin")
    good = token(roles=["admin"])
    shown = [key, key[:-1] + "-", good, good[:-3] + "AAA", token(rsa_key(9)), token(exp=1)]
    settings = production(tmp_path, key_file=file, redis="")
    with caplog.at_level(logging.DEBUG), opened(**settings) as client:
        told = []
        for credential in shown:
            for path in ("/v1/model", "/v1/jobs", "/nowhere", "/v1/predictions/x"):
                told.append(client.get(path, headers=bearer(credential)))
                told.append(client.get(path, headers={"x-api-key": credential}))
        told.append(client.get("/metrics", headers=bearer(good)))
    chosen = Settings.model_validate(settings)
    everything = [caplog.text, repr(chosen), *(one.text + repr(one.headers) for one in told)]
    for credential in shown:
        secret = credential.rpartition("_")[2][-20:]
        assert not [text for text in everything if secret in text]
    assert settings["salt"] not in "".join(everything)


def test_every_refused_credential_is_counted_by_kind_and_a_reason_of_a_few(
    opened: Open, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    file, key = key_file(tmp_path)
    old = keys.create(file, "old", "agent", None, 1, now - timedelta(days=2))
    gone = keys.create(file, "gone", "agent", None, None, now)
    keys.revoke(file, "gone", now)
    good = token(roles=["admin"])
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    shown = {
        ("key", "unknown"): ["ta_" + "z" * 12 + key[15:], wrong],
        ("key", "malformed"): ["ta_what"],
        ("key", "expired"): [old],
        ("key", "revoked"): [gone, gone],
        ("token", "malformed"): ["what", "x" * 9_000],
        ("token", "unknown"): [token(headers={"kid": "nobody's"})],
        ("token", "expired"): [token(exp=1)],
        ("token", "early"): [token(nbf=10**11)],
        ("token", "audience"): [token(aud="others")],
        ("token", "issuer"): [token(iss="https://elsewhere.example")],
        ("token", "invalid"): [token(rsa_key(9)), token(sub=None)],
    }  # fmt: skip
    with opened(**production(tmp_path, key_file=file, redis="")) as client:
        for credential in (one for many in shown.values() for one in many):
            assert client.get("/v1/model", headers=bearer(credential)).status_code == 401
        both = {**bearer(good), "x-api-key": key}
        assert client.get("/v1/model", headers=both).status_code == 401
        assert client.get("/v1/model").status_code == 401, "no credential is none that is refused"
        told = client.get("/metrics", headers=bearer(good)).text
    found = re.findall(
        r'tickets_credentials_refused_total\{kind="(\w+)",reason="(\w+)"\} (\d+)', told
    )
    counted = {(kind, reason): int(number) for kind, reason, number in found}
    assert 0 in counted.values(), "a series that is not there yet hides its first rise"
    assert {name: number for name, number in counted.items() if number} == {
        name: len(many) for name, many in shown.items()
    } | {("unclear", "malformed"): 1}
    assert {kind for kind, _ in counted} == set(get_args(CredentialKind))
    assert {reason for _, reason in counted} == set(get_args(RefusalReason))


def test_a_credential_of_a_kind_that_is_not_accepted_is_counted_as_that(
    opened: Open, tmp_path: Path
) -> None:
    with opened(**production(tmp_path, redis="")) as client:
        client.get("/v1/model", headers=bearer("ta_" + "z" * 55))
        told = client.get("/metrics", headers=as_role("admin")).text
    assert 'tickets_credentials_refused_total{kind="key",reason="not_accepted"} 1.0' in told
