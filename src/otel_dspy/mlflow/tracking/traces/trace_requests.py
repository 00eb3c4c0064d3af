"""Requests of a trace batch, and which of them may be sent at the same time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.requests.concurrent_requests import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """A request with a trace info, or with spans of several traces.

    Attributes:
        traces: ids of the traces that it writes.
        spans: the spans that it has.
        once: returns what sends the request once; None if it can be sent with retries only, or if others have to be
            sent before.
        send: sends it with retries, and records it.
        sent: records that it was sent by what `once` returned.
        of_info: whether it has a trace info.
    """

    traces: frozenset[str]
    once: Callable[[], Callable[[], None] | None]
    send: Callable[[], None]
    sent: Callable[[], None]
    of_info: bool
    spans: Sequence[LogSpan] = ()


def at_once(waiting: Iterable[TraceRequest], accepted: Callable[[int], None]) -> list[Request]:
    """Return the first requests, up to one that must be sent with retries. Those of one trace keep their order.

    Args:
        waiting: the requests.
        accepted: is called with the number of spans of a request that has been accepted, on any thread.
    """
    found: list[Request] = []
    last: dict[str, int] = {}
    for number, request in enumerate(waiting):
        send = request.once()
        if send is None:
            break
        after = {last[trace] for trace in request.traces if trace in last}
        found.append(Request(send, after, request.of_info, partial(accepted, len(request.spans))))
        last |= dict.fromkeys(request.traces, number)
    return found


def whole(together: Sequence[TraceRequest]) -> set[str]:
    """Return the traces of which these requests have the info, and one request has spans."""
    infos = {trace for request in together if request.of_info for trace in request.traces}
    spans = Counter(trace for request in together if not request.of_info for trace in request.traces)
    return {trace for trace in infos if spans[trace] == 1}


def distinct(spans: Iterable[LogSpan]) -> list[LogSpan]:
    """Return the spans, of several with the same id the last.

    A span may be received twice before it is sent, as after a Collector's death. MLflow on PostgreSQL rejects a whole
    request that contains a span twice.
    """
    return list({(span.trace_id, span.span.span_id): span for span in spans}.values())
