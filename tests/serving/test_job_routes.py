"""Jobs over HTTP: sent, watched, fetched and ended, each refusal a problem."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from data.schema import Prediction, Ticket
from serving import job_routes, problems
from serving.batching import Batcher
from serving.contract import Batch
from serving.edge import LastResort
from serving.job_bodies import BodyLimits
from serving.job_runner import JobRunner, RunsJobs
from serving.jobs import INPUT, Jobs
from serving.problems import MEDIA_TYPE
from serving.settings import Settings
from tests.serving.fakes import MakeApp, RuleAssistant

SECRET = "hunter2"
LINES = {"content-type": "application/x-ndjson"}
NOBODY = "0" * 32


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {
            "jobs_folder": tmp_path / "jobs",
            "max_body_bytes": 1_000,
            "max_job_bytes": 5_000,
            "max_jobs": 2,
            "max_text": 500,
            "encoder_batch": 4,
        }
    )


@pytest.fixture
def make_worker(settings: Settings, rule: RuleAssistant) -> Callable[[], FastAPI]:
    """The routes of jobs in an app as ours is made; each call is another worker."""

    def make() -> FastAPI:
        app = FastAPI(openapi_tags=[])
        batcher = Batcher(settings.encoder_batch)

        async def answer(tickets: tuple[Ticket, ...], _: str | None) -> Sequence[Prediction]:
            return await batcher.predict(rule, tickets)

        jobs = Jobs(settings.jobs_folder, settings.max_jobs, keep=timedelta(hours=1))
        runner = JobRunner(jobs, settings, answer, lambda: batcher.waiting > 0)
        job_routes.install(app, settings, jobs, runner)
        problems.install(app)
        app.add_middleware(LastResort)
        app.add_middleware(BodyLimits, settings=settings)
        app.add_middleware(RunsJobs, runner=lambda: runner)
        return app

    return make


@pytest.fixture
def client(make_worker: Callable[[], FastAPI]) -> Iterator[TestClient]:
    with TestClient(make_worker()) as client:
        yield client


def lines(*texts: str) -> str:
    return "".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(texts))


def submit(client: TestClient, *texts: str) -> dict[str, Any]:
    response = client.post("/v1/jobs", content=lines(*texts), headers=LINES)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    return job


def finished(client: TestClient, job: str) -> dict[str, Any]:
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        state: dict[str, Any] = client.get(f"/v1/jobs/{job}").json()
        if state["state"] not in {"queued", "running"}:
            return state
    raise AssertionError(f"not finished in time: {state}")


def problem(response: Any, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:ticket-assistant:problem:{name}"
    assert SECRET not in response.text
    return body


def test_a_file_is_sent_answered_and_fetched(client: TestClient) -> None:
    job = submit(client, *(f"printer {i}" for i in range(9)), "wifi")
    assert job["state"] in {"queued", "running"}
    assert job["tickets"] == 10
    state = finished(client, job["id"])
    assert (state["state"], state["done"], state["errors"]) == ("done", 10, 0)
    assert (state["progress"], state["seconds_left"]) == (1.0, None)
    result = client.get(f"/v1/jobs/{job['id']}/result")
    assert result.headers["content-type"].startswith("application/x-ndjson")
    answers = [json.loads(line) for line in result.text.splitlines()]
    assert [answer["prediction"]["ticket_id"] for answer in answers] == [str(i) for i in range(10)]
    assert answers[9]["prediction"]["targets"]["category"]["label"] == "network"


def test_a_list_of_tickets_is_a_job_too(client: TestClient) -> None:
    tickets = [{"text": "printer"}, {"text": ""}, SECRET, {"text": "Größe"}]
    response = client.post("/v1/jobs", json={"tickets": tickets})
    assert response.status_code == 202
    assert finished(client, response.json()["id"])["errors"] == 2
    result = client.get(f"/v1/jobs/{response.json()['id']}/result").text
    assert SECRET not in result
    pointers = [
        [field["pointer"] for field in (json.loads(line)["problem"] or {}).get("errors", [])]
        for line in result.splitlines()
    ]
    assert pointers == [[], ["#/tickets/1/text"], ["#/tickets/2"], []]


def test_a_file_may_be_larger_than_a_body_and_not_larger_than_a_file(client: TestClient) -> None:
    long = ["printer " * 50] * 10  # 4,200 bytes
    assert finished(client, submit(client, *long)["id"])["done"] == 10
    too_large = client.post("/v1/jobs", json={"tickets": [{"text": text} for text in long]})
    problem(too_large, 413, "too-large")
    problem(client.post("/v1/jobs", content=lines(*long, *long), headers=LINES), 413, "too-large")

    def undeclared() -> Iterator[bytes]:
        for text in (*long, *long):
            yield lines(text).encode()

    problem(client.post("/v1/jobs", content=undeclared(), headers=LINES), 413, "too-large")
    longest = client.post("/v1/jobs", content=lines(SECRET * 200), headers=LINES)
    problem(longest, 413, "too-large")


def test_a_refused_file_leaves_nothing_behind(client: TestClient, settings: Settings) -> None:
    client.post("/v1/jobs", content=lines(*["printer " * 50] * 20), headers=LINES)
    client.post("/v1/jobs", content="\n\n", headers=LINES)
    assert client.get("/v1/jobs").json() == {"jobs": [], "next": None}
    folders = settings.jobs_folder.iterdir() if settings.jobs_folder.exists() else ()
    assert not [path for path in folders if path.is_dir()]


@pytest.mark.parametrize(
    ("body", "pointer", "rule_name"),
    [
        ([], "#", "dict_type"),
        ({}, "#/tickets", "missing"),
        ({"tickets": []}, "#/tickets", "too_short"),
        ({"tickets": SECRET}, "#/tickets", "list_type"),
        ({"tickets": [], SECRET: 1}, "#", "extra_forbidden"),
    ],
)
def test_a_body_that_is_no_list_of_tickets_is_refused(
    client: TestClient, body: object, pointer: str, rule_name: str
) -> None:
    told = problem(client.post("/v1/jobs", json=body), 422, "validation")
    assert [(error["pointer"], error["type"]) for error in told["errors"]] == [(pointer, rule_name)]


def test_bodies_of_other_kinds_are_refused(client: TestClient) -> None:
    json_type = {"content-type": "application/json"}
    problem(client.post("/v1/jobs", content=f"{{{SECRET}", headers=json_type), 400, "malformed")
    other = client.post("/v1/jobs", content=SECRET, headers={"content-type": "text/csv"})
    problem(other, 415, "media-type")
    assert other.headers["accept"] == "application/json, application/x-ndjson"
    problem(client.post("/v1/jobs", content="\n", headers=LINES), 422, "validation")


def test_no_result_before_the_end(client: TestClient, rule: RuleAssistant) -> None:
    rule.gate.clear()
    job = submit(client, "printer")
    early = client.get(f"/v1/jobs/{job['id']}/result")
    problem(early, 409, "job-not-finished")
    assert early.headers["retry-after"] == "5"
    rule.gate.set()
    finished(client, job["id"])
    assert client.get(f"/v1/jobs/{job['id']}/result").status_code == 200


def test_too_many_jobs_are_told_to_come_back(client: TestClient, rule: RuleAssistant) -> None:
    rule.gate.clear()
    submit(client, "a")
    submit(client, "b")
    full = client.post("/v1/jobs", content=lines("c"), headers=LINES)
    problem(full, 429, "jobs-full")
    assert full.headers["retry-after"] == "30"
    rule.gate.set()


def test_a_job_is_cancelled_and_then_removed(client: TestClient, rule: RuleAssistant) -> None:
    rule.gate.clear()
    running, waiting = submit(client, *"abcdefgh"), submit(client, "x")
    assert rule.asked.wait(10)
    ended = client.delete(f"/v1/jobs/{waiting['id']}")
    assert ended.status_code == 202
    assert ended.json()["state"] == "cancelled"
    assert client.delete(f"/v1/jobs/{running['id']}").status_code == 202
    rule.gate.set()
    assert finished(client, running["id"])["state"] == "cancelled"
    assert len(client.get(f"/v1/jobs/{running['id']}/result").text.splitlines()) == 4
    for job in (running, waiting):
        assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
        problem(client.get(f"/v1/jobs/{job['id']}"), 404, "unknown-id")


@pytest.mark.parametrize(
    ("name", "status", "told"),
    [(NOBODY, 404, "unknown-id"), ("x", 422, "parameters"), ("a" * 500, 422, "parameters")],
)
def test_a_job_that_there_is_not_is_not_found(
    client: TestClient, name: str, status: int, told: str
) -> None:
    problem(client.get(f"/v1/jobs/{name}"), status, told)
    problem(client.get(f"/v1/jobs/{name}/result"), status, told)
    problem(client.delete(f"/v1/jobs/{name}"), status, told)


def test_jobs_are_listed_in_pages(client: TestClient) -> None:
    names = []
    for text in "abc":
        names.append(submit(client, text)["id"])
        finished(client, names[-1])
    first = client.get("/v1/jobs?limit=2").json()
    assert [job["id"] for job in first["jobs"]] == names[:0:-1]
    second = client.get("/v1/jobs", params={"limit": 2, "cursor": first["next"]}).json()
    assert [job["id"] for job in second["jobs"]] == names[:1]
    assert second["next"] is None
    for query in ("limit=0", "limit=101", "cursor=x", "cursor=1-.."):
        problem(client.get(f"/v1/jobs?{query}"), 422, "parameters")


def test_a_restarted_server_goes_on_without_being_asked(
    make_worker: Callable[[], FastAPI], rule: RuleAssistant, settings: Settings
) -> None:
    rule.gate.clear()
    with TestClient(make_worker()) as first:
        job = submit(first, *"abcdefgh")
        assert rule.asked.wait(10)
    rule.gate.set()
    jobs = Jobs(settings.jobs_folder)
    state = jobs.find(job["id"])
    assert state is not None
    assert state.state == "running"
    with TestClient(make_worker()):
        ends = time.monotonic() + 10
        while time.monotonic() < ends and not state.finished:
            state = jobs.find(job["id"])
            assert state is not None
    assert (state.state, state.done) == ("done", 8)


def test_a_client_that_hangs_up_leaves_nothing_behind(
    make_worker: Callable[[], FastAPI], settings: Settings
) -> None:
    told: list[Message] = []
    messages: Iterator[Message] = iter(
        [
            {"type": "http.request", "body": b'{"text": "a"}\n', "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        told.append(message)

    scope: Scope = {
        "type": "http", "method": "POST", "path": "/v1/jobs", "query_string": b"",
        "headers": [(b"content-type", b"application/x-ndjson")], "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(make_worker()(scope, receive, send))
    assert told[0]["status"] == 400
    assert not [path for path in settings.jobs_folder.iterdir() if path.is_dir()]


def test_a_folder_that_cannot_be_written_is_told(client: TestClient, settings: Settings) -> None:
    settings.jobs_folder.write_text("no folder")
    told = client.post("/v1/jobs", content=lines("a"), headers=LINES)
    problem(told, 503, "unavailable")
    assert told.headers["retry-after"] == "60"


def test_the_runner_lives_as_long_as_the_server(settings: Settings, rule: RuleAssistant) -> None:
    runner = JobRunner(Jobs(settings.jobs_folder), settings, _nobody, lambda: False)

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})
        assert runner._task is not None
        assert not runner._task.done()
        await receive()
        assert runner._task is None

    async def receive() -> Message:
        return {"type": "lifespan.shutdown"}

    async def send(_: Message) -> None: ...

    asyncio.run(RunsJobs(server, lambda: runner)({"type": "lifespan"}, receive, send))


async def _nobody(_: tuple[Ticket, ...], __: str | None) -> Sequence[Prediction]:
    raise AssertionError("nobody asks")


def test_what_customers_wrote_is_not_kept_in_the_result_folder(
    client: TestClient, settings: Settings
) -> None:
    job = submit(client, SECRET)
    finished(client, job["id"])
    folder = settings.jobs_folder / job["id"]
    until = time.monotonic() + 10
    while (folder / INPUT).exists():  # it goes right after the end is told
        assert time.monotonic() < until
    assert all(SECRET not in path.read_text() for path in folder.iterdir())


def test_every_response_is_documented_with_an_example_that_fits(client: TestClient) -> None:
    spec = client.get("/openapi.json").json()
    problem_schema = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components = {**spec["components"]["schemas"], "Problem": problem_schema}
    checked = 0
    for path, operations in spec["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            assert operation["tags"] == ["jobs"]
            for status, response in operation["responses"].items():
                for media_type, media in response.get("content", {}).items():
                    assert (media_type == MEDIA_TYPE) == (status >= "400")
                    schema = {**media["schema"], "components": {"schemas": components}}
                    samples = [one["value"] for one in media.get("examples", {}).values()]
                    samples += [media["example"]] if "example" in media else []
                    assert samples, (path, status)
                    for sample in samples:
                        jsonschema.Draft202012Validator(schema).validate(sample)
                        checked += 1
    assert checked >= 15
    submitted = spec["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    assert list(submitted) == ["application/x-ndjson", "application/json"]
    for line in submitted["application/x-ndjson"]["example"].splitlines():
        Ticket.model_validate_json(line)
    Batch.model_validate(submitted["application/json"]["example"])


def test_the_routes_have_their_place_in_the_whole_app(
    make_app: MakeApp, settings: Settings
) -> None:
    app = make_app()
    jobs = Jobs(settings.jobs_folder)
    job_routes.install(app, settings, jobs, JobRunner(jobs, settings, _nobody, lambda: False))
    with TestClient(app) as client:
        spec = client.get("/openapi.json").json()
        assert client.get("/v1/jobs").json() == {"jobs": [], "next": None}
        problem(client.get(f"/v1/jobs/{NOBODY}"), 404, "unknown-id")
    assert {"/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{id}/result"} <= set(spec["paths"])
    assert "jobs" in {tag["name"] for tag in spec["tags"]}
    assert spec["components"]["schemas"]["Answered"]["properties"]["problem"]
