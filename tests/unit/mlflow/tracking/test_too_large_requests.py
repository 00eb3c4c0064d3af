"""Requests that a proxy before MLflow rejects for their size: what can be split is split, the rest is named."""

from __future__ import annotations

import http.server
import json
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from otel_dspy.mlflow.mapping.operations import MetricPoint
from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.requests.retry import Retrier
from otel_dspy.mlflow.tracking.runs.run_batch import RunBatch
from otel_dspy.mlflow.tracking.runs.split_run_batch import send_batch
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.traces.split_span_batch import MAX_REJECTED, send_trace
from tests.support.loopback_server import running

if TYPE_CHECKING:
    from collections.abc import Generator

LIMIT: Final = 500
"""Bytes of a request: one value of 200 characters fits, two do not."""
NUMBER: Final = 4 * MAX_REJECTED


class Proxy(http.server.ThreadingHTTPServer):
    """Answers 413 with a page to requests larger than `LIMIT`, and `{}` to others."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accepted: list[dict[str, Any]] = []

    def values(self, kind: str) -> list[str | int]:
        """Return the names of accepted parameters or tags, or the steps of accepted metrics, in order."""
        name = "step" if kind == "metrics" else "key"
        return [one[name] for body in self.accepted for one in body.get(kind, [])]


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Proxy)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, page = 413, b"<html>413 Request Entity Too Large</html>"
        if len(body) <= LIMIT:
            status, page = 200, b"{}"
            self.server.accepted.append(json.loads(body))
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


@pytest.fixture
def proxy() -> Generator[Proxy]:
    """A proxy on a free port."""
    with running(Proxy()) as server:
        yield server


def _store(proxy: Proxy) -> tuple[Store, Retrier]:
    uri = f"http://127.0.0.1:{proxy.server_address[1]}"
    return Store(uri), Retrier(uri, threading.Event(), lambda: None)


def _send_run(proxy: Proxy, batch: RunBatch) -> list[Outcome]:
    store, tried = _store(proxy)

    def send(part: RunBatch) -> None:
        store.log_run("7", part.params, part.points, part.tags)

    return list(send_batch(tried, batch, send))


@pytest.mark.parametrize(
    "batch",
    [
        RunBatch(params={"a": "x" * 200, "b": "y" * 200, "c": "z" * 200}),
        RunBatch(tags={"a": "x" * 200, "b": "y" * 200, "c": "z" * 200}),
        RunBatch(points=[MetricPoint("score", 0.5, step, 1) for step in range(100)]),
        RunBatch(params={"a": "x" * 200}, tags={"b": "y" * 200, "c": "z" * 200}, points=[MetricPoint("s", 1.0, 7, 1)]),
    ],
    ids=["params", "tags", "steps of a metric", "all"],
)
def test_a_batch_of_a_run_is_split(proxy: Proxy, batch: RunBatch, caplog: pytest.LogCaptureFixture) -> None:
    """Down to single values, and nothing is reported as rejected."""
    assert set(_send_run(proxy, batch)) == {Outcome.DONE}
    assert proxy.values("params") == list(batch.params)
    assert proxy.values("tags") == list(batch.tags)
    assert [int(step) for step in proxy.values("metrics")] == [point.step for point in batch.points]
    assert caplog.text == ""


def test_a_value_that_is_too_large_alone_is_named_with_its_size(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    """The others are accepted."""
    batch = RunBatch(params={"a": "1", "b": "y" * 1_000, "c": "3"})
    assert _send_run(proxy, batch) == [Outcome.DONE, Outcome.REJECTED, Outcome.DONE]
    assert proxy.values("params") == ["a", "c"]
    (message,) = caplog.messages
    assert "rejected parameter b: a request of 1,0" in message
    assert message.endswith(
        " bytes exceeds the limit of MLflow or of a proxy before it, which does not state it (status 413): raise the "
        "limit, as with client_max_body_size of nginx"
    )


def test_any_number_of_spans_is_split(caplog: pytest.LogCaptureFixture, proxy: Proxy) -> None:
    """A limit that takes few spans of a trace rejects more requests than invalid spans may cost, and loses none."""
    store, tried = _store(proxy)
    spans = [_span(number) for number in range(NUMBER)]

    def send(chosen: list[LogSpan]) -> None:
        store.log_run("7", {one.span.span_id: "x" * 200 for one in chosen}, (), {})

    assert set(send_trace(tried, spans, send)) == {Outcome.DONE}
    assert proxy.values("params") == [one.span.span_id for one in spans]
    assert caplog.text == ""


def _span(number: int) -> LogSpan:
    recorded = SpanRecord(
        trace_id="1" * 32, span_id=f"{number:016x}", parent_id=None, name="p", kind="INTERNAL",
        start_ns=1, end_ns=2, attributes={}, resource={},
    )  # fmt: skip
    return LogSpan(key=str(number), trace_id="1" * 32, span=recorded, parent_id=None, attributes={})
