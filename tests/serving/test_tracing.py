from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from serving.app import create_app
from serving.assistants import Assistants
from serving.batching import Batcher
from serving.settings import Settings
from serving.telemetry import Telemetry
from serving.tracing import Tracing
from serving.tracing_otlp import OtlpExporter, encode
from tests.serving.fakes import VERSION, MemoryStore

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TEXT = {"text": "printer swordfish"}


class Traced:
    """An app whose finished spans can be looked at."""

    def __init__(self, assistants: Assistants, telemetry: Telemetry, share: float = 1.0) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracing = Tracing(self.exporter, share)
        chosen = Settings()
        app = create_app(
            chosen, assistants, Batcher(chosen.encoder_batch), telemetry, tracing=self.tracing
        )
        self.client = TestClient(app)

    def spans(self) -> list[ReadableSpan]:
        self.tracing._provider.force_flush()
        return list(self.exporter.get_finished_spans())


@pytest.fixture
def published(assistants: Assistants, store: MemoryStore) -> Assistants:
    store.publish()
    assistants.refresh()
    return assistants


@pytest.fixture
def traced(published: Assistants, telemetry: Telemetry) -> Iterator[Traced]:
    made = Traced(published, telemetry)
    yield made
    made.tracing.close()


def test_a_request_is_a_span_with_one_for_each_bundle_that_was_asked(traced: Traced) -> None:
    answer = traced.client.post("/v1/predict", json=TEXT)
    step, request = traced.spans()
    assert request.name == "POST /v1/predict"
    assert request.attributes == {
        "http.request.method": "POST", "http.route": "/v1/predict",
        "http.response.status_code": 200, "tickets.arms": "champion",
        "tickets.correlation": answer.headers["x-request-id"],
    }  # fmt: skip
    assert request.parent is None
    assert request.context is not None
    assert f"{request.context.trace_id:032x}" == answer.headers["x-request-id"]
    assert (step.name, step.attributes) == ("ask bundle", {"version": VERSION})
    assert step.parent is not None
    assert step.parent.span_id == request.context.span_id
    assert request.start_time is not None
    assert step.start_time is not None
    assert step.end_time is not None
    assert request.end_time is not None
    assert request.start_time <= step.start_time <= step.end_time <= request.end_time


@pytest.mark.parametrize(("flags", "number"), [("01", 1), ("00", 0)])
def test_the_caller_decides_about_its_trace(traced: Traced, flags: str, number: int) -> None:
    traced.client.get("/v1/model", headers={"traceparent": f"00-{TRACE}-{SPAN}-{flags}"})
    spans = traced.spans()
    assert len(spans) == number
    for span in spans:
        assert span.context is not None
        assert span.parent is not None
        assert f"{span.context.trace_id:032x}" == TRACE
        assert f"{span.parent.span_id:016x}" == SPAN


def test_a_request_id_that_is_no_trace_stands_beside_it(traced: Traced) -> None:
    traced.client.get("/v1/model", headers={"x-request-id": "0123456789abcdef"})
    uuid = "7f3e9a1c-5b2d-4e8f-9a1b-2c3d4e5f6a7b"
    traced.client.get("/v1/model", headers={"x-request-id": uuid})
    short, whole = traced.spans()
    assert short.attributes is not None
    assert short.attributes["tickets.correlation"] == "0123456789abcdef"
    assert whole.context is not None
    assert f"{whole.context.trace_id:032x}" == uuid.replace("-", "")


def test_a_failure_of_ours_marks_the_span(traced: Traced, rule: Any) -> None:
    rule.fails_on = "printer"
    traced.client.post("/v1/predict", json=TEXT)
    span = traced.spans()[-1]
    assert not span.status.is_ok
    assert span.events == ()
    assert "swordfish" not in span.to_json()


def test_nobody_is_traced_where_the_share_is_nothing(
    published: Assistants, telemetry: Telemetry
) -> None:
    made = Traced(published, telemetry, share=0.0)
    made.client.post("/v1/predict", json=TEXT)
    assert made.spans() == []
    made.tracing.close()


def test_a_collector_gets_spans_as_the_protocol_has_them(traced: Traced) -> None:
    taken: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        taken.append(request)
        return httpx.Response(200)

    traced.client.post("/v1/predict", json=TEXT, headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    spans = traced.spans()
    exporter = OtlpExporter("http://collector:4318/v1/traces", httpx.MockTransport(take))
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
    [request] = taken
    assert request.url == "http://collector:4318/v1/traces"
    assert request.headers["content-type"] == "application/x-protobuf"
    told = ExportTraceServiceRequest.FromString(request.content)
    [of] = told.resource_spans
    assert [(p.key, p.value.string_value) for p in of.resource.attributes] == [
        ("service.name", "ticket-assistant")
    ]
    step, asked = of.scope_spans[0].spans
    assert asked.trace_id.hex() == step.trace_id.hex() == TRACE
    assert asked.parent_span_id.hex() == SPAN
    assert step.parent_span_id == asked.span_id
    assert asked.kind == asked.SpanKind.SPAN_KIND_SERVER
    assert step.kind == asked.SpanKind.SPAN_KIND_INTERNAL
    assert {p.key: p.value.int_value for p in asked.attributes}["http.response.status_code"] == 200
    assert asked.end_time_unix_nano >= asked.start_time_unix_nano > 1.7e18


def test_a_collector_that_is_down_is_told_of_once(
    traced: Traced, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = iter([500, None, 200])

    def take(request: httpx.Request) -> httpx.Response:
        status = next(statuses)
        if status is None:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(status)

    exporter = OtlpExporter("http://collector/", httpx.MockTransport(take))
    results = [exporter.export([]) for _ in range(3)]
    assert [result is SpanExportResult.SUCCESS for result in results] == [False, False, True]
    with caplog.at_level("INFO"):
        assert caplog.text.count("spans are not taken: status 500") == 1
    assert "ConnectError" not in caplog.text


def test_no_span_is_an_empty_message() -> None:
    assert encode([]).SerializeToString() == b""
