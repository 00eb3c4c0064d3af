"""Requests of a trace batch, and which of them may be sent at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.requests.concurrent_requests import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """A request with a trace info, or with spans of several traces.

    Attributes:
        traces: ids of the traces that it writes.
        once: returns what sends the request once; None if it can be sent with retries only, or if others have to be
            sent before.
        send: sends it with retries, and records it.
        sent: records that it was sent by what `once` returned.
        of_head: whether it has a trace info.
    """

    traces: frozenset[str]
    once: Callable[[], Callable[[], None] | None]
    send: Callable[[], None]
    sent: Callable[[], None]
    of_head: bool


def at_once(waiting: Iterable[TraceRequest]) -> list[Request]:
    """Return the first requests, up to one that must be sent with retries. Those of one trace keep their order."""
    found: list[Request] = []
    last: dict[str, int] = {}
    for number, request in enumerate(waiting):
        send = request.once()
        if send is None:
            break
        found.append(Request(send, {last[trace] for trace in request.traces if trace in last}, request.of_head))
        last |= dict.fromkeys(request.traces, number)
    return found


def distinct(spans: Iterable[LogSpan]) -> list[LogSpan]:
    """Return the spans, of several with the same id the last.

    A span may be received twice before it is sent, as after a Collector's death. MLflow on PostgreSQL rejects a whole
    request that contains a span twice.
    """
    return list({(span.trace_id, span.span.span_id): span for span in spans}.values())
