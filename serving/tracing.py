"""Spans of requests, made by OpenTelemetry's SDK; switched off unless an endpoint is set.

A span holds method, route template, status, arm and the name of the request, and beneath it a span
per bundle that was asked. The trace is the caller's where it named one, else it has the name that
logs and rows have.
"""

import re
from time import time_ns
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace import TraceFlags as Flags

from serving.correlation import Cause

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

SERVICE = "ticket-assistant"


class _NamedTraces(RandomIdGenerator):
    """Gives a trace the name that its request has already, where that is one for traces."""

    def __init__(self) -> None:
        self.next: str | None = None

    def generate_trace_id(self) -> int:
        name, self.next = self.next, None
        return super().generate_trace_id() if name is None else int(name, 16)


class RequestSpan:
    """The span of one request, until it ends."""

    def __init__(self, tracer: trace.Tracer, span: trace.Span, cause: Cause) -> None:
        self._tracer = tracer
        self._span = span
        self._cause = cause

    def end(self, method: str, route: str, status: int) -> None:
        """Tell what became of it, and of the steps on the way there."""
        span = self._span
        if span.is_recording():
            span.update_name(f"{method} {route}")
            span.set_attributes(
                {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": status,
                    "tickets.correlation": self._cause.correlation,
                    "tickets.arms": ",".join(sorted(self._cause.arms)),
                }
            )
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR))
            inside = trace.set_span_in_context(span)
            for step in self._cause.steps or ():
                child = self._tracer.start_span(
                    step.name, inside, attributes=step.told, start_time=step.began
                )
                child.end(step.ended)
        span.end(time_ns())


class Tracing:
    """Makes spans and hands them over in batches, in a thread of its own.

    Parameters
    ----------
    exporter : takes finished spans
    share : of the requests whose caller does not say whether to trace them
    """

    def __init__(self, exporter: "SpanExporter", share: float = 1.0) -> None:
        self._names = _NamedTraces()
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)),
            resource=Resource({"service.name": SERVICE}),
            id_generator=self._names,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("serving")

    def begin(self, cause: Cause) -> RequestSpan:
        """Begin the span of a request; called in one thread, the event loop's."""
        context = trace.set_span_in_context(trace.INVALID_SPAN)
        self._names.next = None
        if cause.parent is not None:
            flags = Flags(Flags.SAMPLED if cause.parent.sampled else Flags.DEFAULT)
            caller = SpanContext(
                int(cause.parent.trace, 16), int(cause.parent.span, 16), is_remote=True,
                trace_flags=flags,
            )  # fmt: skip
            context = trace.set_span_in_context(NonRecordingSpan(caller))
        else:
            name = cause.correlation.replace("-", "")
            if re.fullmatch(r"(?!0{32})[0-9a-f]{32}", name):
                self._names.next = name
        span = self._tracer.start_span("request", context, kind=SpanKind.SERVER)
        if span.is_recording():
            cause.steps = []
        return RequestSpan(self._tracer, span, cause)

    def close(self) -> None:
        """Hand over what waits."""
        self._provider.shutdown()


def open_tracing(endpoint: str, share: float) -> Tracing:
    """Tracing that sends spans to a collector by OTLP over HTTP."""
    from serving.tracing_otlp import OtlpExporter

    return Tracing(OtlpExporter(endpoint), share)
