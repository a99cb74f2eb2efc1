import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from data.log_lines import anonymous_traceback
from serving.edge import ForeignErrors, LastResort, OnlyOurs
from serving.problems import MEDIA_TYPE, kind_of_status

SECRET = "hunter2"


def test_a_traceback_names_lines_and_types_and_no_message() -> None:
    def fail() -> None:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(SECRET) from error

    with pytest.raises(ValueError, match=SECRET) as caught:
        fail()
    text = anonymous_traceback(caught.value)
    assert SECRET not in text
    assert "builtins.ValueError" in text
    assert "builtins.KeyError" in text
    assert "test_edge.py" in text


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError(SECRET)


async def broken_midway(scope: Scope, receive: Receive, send: Send) -> None:
    start: Message = {"type": "http.response.start", "status": 200, "headers": []}
    await send(start)
    raise RuntimeError(SECRET)


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(SECRET, int(scope["path"][1:]))(scope, receive, send)


def test_an_unexpected_error_is_a_500_whose_id_stands_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = TestClient(LastResort(broken)).get("/")
    problem = response.json()
    assert response.status_code == problem["status"] == 500
    assert response.headers["content-type"] == MEDIA_TYPE
    assert problem["instance"] in caplog.text
    assert SECRET not in caplog.text + response.text


def test_an_error_after_the_response_began_ends_it_without_its_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(RuntimeError, match="cut short") as caught:
        TestClient(LastResort(broken_midway)).get("/")
    assert caught.value.__suppress_context__
    assert SECRET not in caplog.text


@pytest.fixture
def foreign() -> TestClient:
    return TestClient(ForeignErrors(plain, lambda: "no bundle is loaded"))


@pytest.mark.parametrize("status", [404, 405, 429, 500, 504])
def test_an_error_of_another_layer_is_retold(foreign: TestClient, status: int) -> None:
    response = foreign.get(f"/{status}")
    assert response.status_code == status
    assert response.headers["content-type"] == MEDIA_TYPE
    assert response.json()["type"] == kind_of_status(status).type
    assert SECRET not in response.text


def test_a_probe_that_is_not_ready_says_why(foreign: TestClient) -> None:
    response = foreign.get("/503")
    assert response.json()["detail"] == "no bundle is loaded"
    assert response.headers["retry-after"] == "5"


def test_a_503_of_another_layer_while_ready_has_no_reason() -> None:
    response = TestClient(ForeignErrors(plain, lambda: None)).get("/503")
    assert response.json()["type"] == "urn:ticket-assistant:problem:unavailable"


def test_an_answer_that_is_no_error_passes(foreign: TestClient) -> None:
    assert foreign.get("/200").text == SECRET


def test_an_address_of_a_layer_around_us_is_hidden() -> None:
    client = TestClient(OnlyOurs(PlainTextResponse("theirs"), {"/schema.json"}))
    hidden = client.get("/schema.json")
    assert hidden.status_code == 404
    assert hidden.headers["content-type"] == MEDIA_TYPE
    assert client.get("/other").text == "theirs"
