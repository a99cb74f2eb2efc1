from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from serving.problems import MEDIA_TYPE


@pytest.fixture
def client(whole_client: TestClient) -> TestClient:
    """With every route there is."""
    return whole_client


@pytest.fixture
def spec(client: TestClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def schemas_of(node: Any) -> Iterator[dict[str, Any]]:
    """Every media type of the document that has a schema and examples."""
    if isinstance(node, dict):
        if "schema" in node and ({"example", "examples"} & {*node, *node["schema"]}):
            yield node
        for inner in node.values():
            yield from schemas_of(inner)


def examples_of(media: dict[str, Any]) -> list[Any]:
    named = [example["value"] for example in media.get("examples", {}).values()]
    alone = [media["example"]] if "example" in media else []
    return [*named, *alone, *media["schema"].get("examples", [])]


def validator(spec: dict[str, Any], schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**schema, "components": spec["components"]})


def test_the_document_is_openapi_3_1_with_valid_schemas(spec: dict[str, Any]) -> None:
    assert spec["openapi"].startswith("3.1")
    for schema in spec["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_example_fits_its_schema(spec: dict[str, Any]) -> None:
    checked = 0
    for media in schemas_of(spec["paths"]):
        for sample in examples_of(media):
            validator(spec, media["schema"]).validate(sample)
            checked += 1
    assert checked > 10


def test_every_example_of_a_request_is_answered_as_documented(
    client: TestClient, spec: dict[str, Any]
) -> None:
    stored = client.post("/v1/predict", json={"text": "a printer"}).json()["id"]
    job = client.post("/v1/jobs", json={"tickets": [{"text": "a printer"}]}).json()["id"]
    while not client.get(f"/v1/jobs/{job}").json()["finished_at"]:
        pass
    known = {
        "/v1/predictions/{id}": f"/v1/predictions/{stored}",
        "/v1/predictions/export": "/v1/predictions/export?format=jsonl",
        "/v1/jobs/{id}": f"/v1/jobs/{job}",
        "/v1/jobs/{id}/result": f"/v1/jobs/{job}/result",
        "/v1/tickets/{ticket_id}": "/v1/tickets/T-1",
        "/v1/customers/{customer}": "/v1/customers/C-1",
    }
    asked = 0
    operations = [(path, *one) for path, found in spec["paths"].items() for one in found.items()]
    # What erases comes last, so that the rest still finds what it asks for.
    for path, method, operation in sorted(operations, key=lambda one: one[1] == "delete"):
        media = operation.get("requestBody", {}).get("content", {}).get("application/json")
        for body in examples_of(media) if media else [None]:
            response = client.request(method, known.get(path, path), json=body)
            told = operation["responses"].get(str(response.status_code))
            assert response.is_success, (path, response.text)
            assert told is not None, (path, response.status_code)
            schema = told.get("content", {}).get("application/json", {}).get("schema")
            if schema:
                validator(spec, schema).validate(response.json())
            asked += 1
    assert asked >= 20


def test_every_error_is_documented_as_a_problem(spec: dict[str, Any]) -> None:
    for operations in spec["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == [MEDIA_TYPE]
    assert "HTTPValidationError" not in spec["components"]["schemas"]


@pytest.mark.parametrize(
    ("body", "status"), [({"text": ""}, 422), ({"text": "a", "extra": 1}, 422), ([], 422)]
)
def test_problems_fit_their_schema(
    client: TestClient, spec: dict[str, Any], body: Any, status: int
) -> None:
    response = client.post("/v1/predict", json=body)
    assert response.status_code == status
    validator(spec, spec["components"]["schemas"]["Problem"]).validate(response.json())


def test_every_route_with_headers_of_ours_documents_their_faults(spec: dict[str, Any]) -> None:
    named: dict[str, list[str]] = {}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            sent = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"]
            told = operation["responses"].get("422", {}).get("content", {}).get(MEDIA_TYPE, {})
            assert bool(sent) == ("invalid-header" in told.get("examples", {})), (method, path)
            if sent:
                named[path] = sorted(sent)
    assert named["/v1/predict"] == ["X-Arm", "X-Assignment-Key", "X-Customer"]
    assert named["/v1/feedback"] == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("headers", "body", "kind", "pointers"),
    [
        ({"X-Customer": ""}, {"text": "a"}, "invalid-header", ["#/X-Customer"]),
        ({"x-assignment-key": "k" * 201}, {"text": "a"}, "invalid-header", ["#/X-Assignment-Key"]),
        ({"X-Arm": "nobody"}, {"text": "a"}, "invalid-header", ["#/X-Arm"]),
        (
            {"X-Arm": "", "X-Customer": "c" * 201},
            {"text": ""},
            "invalid-header",
            ["#/X-Arm", "#/X-Customer"],
        ),
        ({"X-Arm": "champion"}, {"text": ""}, "validation", ["#/text"]),
    ],
)
@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict/batch"])
def test_a_fault_of_a_header_is_told_as_one(
    client: TestClient, spec: dict[str, Any], path: str, headers: dict[str, str],
    body: dict[str, str], kind: str, pointers: list[str],
) -> None:  # fmt: skip
    many = path.endswith("batch")
    response = client.post(path, json={"tickets": [body]} if many else body, headers=headers)
    told = response.json()
    validator(spec, spec["components"]["schemas"]["Problem"]).validate(told)
    assert (response.status_code, told["type"]) == (422, f"urn:ticket-assistant:problem:{kind}")
    place = "#/tickets/0" if many and kind == "validation" else "#"
    found = sorted(error["pointer"].replace(place, "#") for error in told["errors"])
    assert found == pointers
    assert told["error_count"] == len(pointers)
    assert "nobody" not in response.text


def test_the_limits_of_the_installation_are_documented(spec: dict[str, Any]) -> None:
    schemas = spec["components"]["schemas"]
    assert schemas["Batch"]["properties"]["tickets"]["minItems"] == 1
    assert schemas["Batch"]["properties"]["tickets"]["maxItems"] == 4
    assert schemas["Ticket"]["properties"]["text"]["maxLength"] == 1_000


def test_every_operation_has_a_name_a_summary_and_a_place(spec: dict[str, Any]) -> None:
    operations = [o for methods in spec["paths"].values() for o in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in spec["tags"]}
    for operation in operations:
        assert operation["summary"]
        assert set(operation["tags"]) <= tags
