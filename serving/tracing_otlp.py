"""Spans on their way to a collector: OTLP 1, protobuf over HTTP.

OpenTelemetry's own exporter pins the messages (`opentelemetry-proto`) to its own version, which is
not the one that MLflow brings. The messages are what it adds, so they are filled here.
"""

import logging
from collections.abc import Mapping, Sequence

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

logger = logging.getLogger(__name__)

SECONDS = 10.0


class OtlpExporter(SpanExporter):
    """Sends spans, and forgets those that a collector does not take.

    Parameters
    ----------
    endpoint : the whole address, such as http://collector:4318/v1/traces
    transport : of HTTP; the network by default
    """

    def __init__(self, endpoint: str, transport: httpx.BaseTransport | None = None) -> None:
        self._endpoint = endpoint
        self._client = httpx.Client(timeout=SECONDS, transport=transport, trust_env=False)
        self._failed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them; says in the log once that it does not work, and once that it does again."""
        content = encode(spans).SerializeToString()
        headers = {"content-type": "application/x-protobuf"}
        try:
            answer = self._client.post(self._endpoint, content=content, headers=headers)
            told = None if answer.is_success else f"status {answer.status_code}"
        except httpx.HTTPError as error:
            told = type(error).__name__
        if told is not None and not self._failed:
            logger.warning("spans are not taken: %s", told)
        elif told is None and self._failed:
            logger.info("spans are taken again")
        self._failed = told is not None
        return SpanExportResult.SUCCESS if told is None else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Let go of the connection."""
        self._client.close()


def encode(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    """The spans, which are all of one resource, as the protocol has them."""
    request = ExportTraceServiceRequest()
    if not spans:
        return request
    of = request.resource_spans.add()
    of.resource.attributes.extend(_pairs(spans[0].resource.attributes))
    scope = of.scope_spans.add()
    scope.scope.name = "serving"
    scope.spans.extend(map(_encode, spans))
    return request


def _encode(span: ReadableSpan) -> trace_pb2.Span:
    context = span.context
    assert context is not None, "a span that ended has a context"
    told = trace_pb2.Span(
        trace_id=context.trace_id.to_bytes(16),
        span_id=context.span_id.to_bytes(8),
        name=span.name,
        # The protocol counts kinds from 1, as 0 is unspecified.
        kind=trace_pb2.Span.SpanKind.ValueType(span.kind.value + 1),
        start_time_unix_nano=span.start_time or 0,
        end_time_unix_nano=span.end_time or 0,
        attributes=_pairs(span.attributes or {}),
        status=trace_pb2.Status(
            code=trace_pb2.Status.StatusCode.ValueType(span.status.status_code.value)
        ),
    )
    if span.parent is not None:
        told.parent_span_id = span.parent.span_id.to_bytes(8)
    return told


def _pairs(attributes: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def _value(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(string_value=str(value))
