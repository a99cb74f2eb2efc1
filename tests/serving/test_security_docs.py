from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.permissions import ANONYMOUS, ROUTES
from tests.serving.fakes import MakeApp
from tests.serving.identity_fakes import production


@pytest.fixture
def spec(make_app: MakeApp, tmp_path: Path) -> dict[str, Any]:
    """The document of a production profile with limits."""
    client = TestClient(make_app(**production(tmp_path, rate_limit=10)))
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def test_both_ways_to_tell_who_asks_are_documented(spec: dict[str, Any]) -> None:
    schemes = spec["components"]["securitySchemes"]
    assert schemes["apiKey"]["name"] == "X-API-Key"
    assert schemes["token"]["scheme"] == "bearer"


def test_every_operation_tells_what_it_needs_and_how_it_refuses(spec: dict[str, Any]) -> None:
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            permission = ROUTES[f"{method.upper()} {path}"]
            if permission in ANONYMOUS:
                assert operation["security"] == []
                assert "401" not in operation["responses"]
                continue
            assert operation["security"] == [{"apiKey": []}, {"token": []}]
            assert operation["x-permission"] == permission
            assert f"`{permission}`" in operation["description"]
            assert {"401", "403", "429", "503"} <= set(operation["responses"])
            assert (
                "RateLimit"
                in operation["responses"]["200" if method == "get" else "429"]["headers"]
            )


def test_in_development_no_credential_is_asked_for(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/v1/predict"]["post"]
    assert {} in operation["security"]
    told = operation["responses"]["403"]["content"]["application/problem+json"]["examples"]
    assert "development" in told
