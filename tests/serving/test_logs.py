import json
import logging
import os

import pytest

from data.log_lines import MAX_FOREIGN, TOLD
from serving.correlation import Cause, caused_by
from serving.logs import JsonFormatter, TextFormatter, configure_logging
from tests.serving.fakes import VERSION

SECRET = "swordfish"
NAME = "c" * 32


@pytest.mark.usefixtures("restored_logging")
def test_logs_are_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    logging.getLogger("serving.somewhere").info("loaded %s", VERSION)
    with caused_by(Cause(NAME)):
        logging.getLogger("data.elsewhere").warning("named")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(f"serving.somewhere pid={os.getpid()} loaded {VERSION}")
    assert second.endswith(f"pid={os.getpid()} named id={NAME}")


@pytest.mark.usefixtures("restored_logging")
def test_json_lines_hold_what_a_message_says_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    logger = logging.getLogger("serving.access")
    with caused_by(Cause(NAME)):
        logger.info("GET %s", "/livez", extra={TOLD: {"route": "/livez", "status": 200}})
    logger.warning("two\nlines")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "info", "logger": "serving.access", "pid": os.getpid(), "correlation": NAME,
        "message": "GET /livez", "route": "/livez", "status": 200,
    }  # fmt: skip
    assert (second["message"], second["correlation"]) == ("two\nlines", None)


def raised(logger: str, message: str) -> logging.LogRecord:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        caught = (ValueError, error, error.__traceback__)
        return logging.LogRecord(logger, logging.ERROR, "f", 1, message, (), caught)


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_an_exception_tells_its_type_and_place_and_not_its_words(
    formatter: logging.Formatter,
) -> None:
    text = formatter.format(raised("serving.x", "it broke"))
    assert "ValueError" in text
    assert "test_logs.py" in text
    assert SECRET not in text


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_of_lines_that_are_not_ours_the_first_is_kept(formatter: logging.Formatter) -> None:
    # As asyncio tells of a task that nobody waited for.
    message = f"Task exception was never retrieved\nfuture: exception=ValueError('{SECRET}')"
    text = formatter.format(raised("asyncio", message))
    assert "never retrieved" in text
    assert SECRET not in text
    assert "x" * (MAX_FOREIGN + 1) not in formatter.format(raised("asyncio", "x" * 9_000))


@pytest.mark.usefixtures("restored_logging")
def test_lines_of_others_are_formatted_as_ours_are(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    logging.getLogger("uvicorn.error").error("it ended")
    logging.getLogger("bentoml").info("of no interest")
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["logger"] == "uvicorn.error"
