import logging
import sys
import types
from typing import Any

import pytest

from data.errors import CatalogError
from serving.correlation import Cause, caused_by
from serving.sentry import scrub, start_sentry

SECRET = "swordfish"
DSN = "https://public@sentry.example.com/1"


class BadDsn(ValueError):  # noqa: N818 - the name is the package's
    pass


class FakeSdk(types.ModuleType):
    """What is used of the package, as it behaves."""

    def __init__(self) -> None:
        super().__init__("sentry_sdk")
        self.options: dict[str, Any] = {}
        self.sent: list[dict[str, Any]] = []
        self.utils = types.SimpleNamespace(BadDsn=BadDsn)

    def init(self, **options: Any) -> None:
        if "@" not in options["dsn"]:
            raise BadDsn(options["dsn"])
        self.options = options

    def capture_event(self, event: dict[str, Any]) -> None:
        # The real one adds much of its own before it asks `before_send`.
        added = {
            "server_name": SECRET, "modules": {}, "request": {"data": SECRET},
            "breadcrumbs": {"values": [{"message": SECRET}]}, "extra": {"argv": [SECRET]},
            "user": {"ip_address": SECRET}, "contexts": {"runtime": {}, "trace": {"data": SECRET}},
            "exception": {"values": [{"value": SECRET, "stacktrace": {"vars": SECRET}}]},
        }  # fmt: skip
        self.sent.append(self.options["before_send"](event | added, {}))


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> FakeSdk:
    fake = FakeSdk()
    monkeypatch.setitem(sys.modules, "sentry_sdk", fake)
    return fake


@pytest.mark.usefixtures("restored_logging")
def test_an_error_is_told_by_our_own_line_and_nothing_else(sdk: FakeSdk) -> None:
    start_sentry(DSN)
    logger = logging.getLogger("serving.somewhere")
    try:
        with caused_by(Cause("c" * 32)):
            logger.warning("a warning")
            logger.error("job %s failed", "0a1b")
    finally:
        logging.getLogger("serving").handlers.clear()
    [event] = sdk.sent
    assert event == {
        "level": "error", "logger": "serving.somewhere", "message": "job 0a1b failed",
        "tags": {"correlation": "c" * 32}, "fingerprint": ["serving.somewhere", "job %s failed"],
        "contexts": {"runtime": {}},
    }  # fmt: skip


def test_nothing_is_gathered_beside_it(sdk: FakeSdk) -> None:
    start_sentry(DSN)
    for name in ("data", "models", "evaluation", "serving"):
        logging.getLogger(name).handlers.clear()
    off = (
        "default_integrations", "auto_enabling_integrations", "send_default_pii",
        "include_local_variables", "include_source_context",
    )  # fmt: skip
    assert not any(sdk.options[name] for name in off)
    assert sdk.options["max_request_body_size"] == "never"


def test_whatever_else_an_event_holds_is_taken_out() -> None:
    event = {"message": "m", "request": {"data": SECRET}, "what comes later": SECRET}
    assert scrub(event, {"exc_info": SECRET}) == {"message": "m", "contexts": {}}


def test_a_missing_package_and_a_wrong_address_refuse_the_start(
    monkeypatch: pytest.MonkeyPatch, sdk: FakeSdk
) -> None:
    with pytest.raises(CatalogError, match="no address of Sentry") as caught:
        start_sentry(SECRET)
    assert SECRET not in str(caught.value)
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    with pytest.raises(CatalogError, match="pip install sentry-sdk"):
        start_sentry(DSN)
