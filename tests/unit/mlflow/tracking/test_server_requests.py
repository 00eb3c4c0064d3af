"""When trace infos and spans are sent to a server in batches, and when not any more."""

from __future__ import annotations

import json
import math
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from mlflow.entities import Span
from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.requests.concurrent_requests import Request
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.traces import trace_batch
from otel_dspy.mlflow.tracking.store.traces.mlflow_span import mlflow_span
from otel_dspy.mlflow.tracking.store.traces.trace_batch import MEDIA_TYPE, SpansWrite
from otel_dspy.mlflow.tracking.traces.server_requests import APART, ASK_AGAIN, LEAST, ServerRequests
from tests.support.loopback_server import LoopbackHandler, serving
from tests.unit.mlflow.tracking.test_whole_traces import span, trace_info

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection


@dataclass
class Server:
    """A server with the app, or without it.

    Attributes:
        answers: returns the status and the body for the next batch with so many writes.
        batches: sizes of the batches that it has received, in bytes.
        now: seconds on the clock of `requests`.
        stops: what `requests` get when they ask whether to send nothing more.
    """

    answers: Callable[[bytes], tuple[int, object]]
    batches: list[int] = field(default_factory=list[int])
    now: float = 0.0
    stops: Iterator[bool] = field(default_factory=lambda: cycle([False]))
    requests: ServerRequests = field(init=False)


@contextmanager
def serving_batches(answers: Callable[[bytes], tuple[int, object]], scheme: str = "http") -> Generator[Server]:
    """A server that answers so, and the requests to it."""
    server = Server(answers)

    class Handler(LoopbackHandler):
        def do_POST(self) -> None:
            body = self.read_body()
            assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", MEDIA_TYPE)
            assert self.headers["x-mlflow-experiment-id"] == "7"
            server.batches.append(len(body))
            status, content = server.answers(body)
            self.answer(status, json.dumps(content).encode())

    with serving(Handler) as port:
        uri = f"{scheme}://127.0.0.1:{port}"
        store = Store(uri) if scheme == "http" else None
        connection = SimpleNamespace(
            destination=Destination(uri, Experiment(id="7")), store=lambda: store, experiment_id=lambda: "7"
        )
        server.requests = ServerRequests(
            cast("Connection", connection), lambda: next(server.stops), lambda _: False, clock=lambda: server.now
        )
        yield server


def writes(server: Server, count: int) -> list[Request]:
    """Requests with a trace info each, for the server's API or for a batch, as it takes."""

    def write(number: int) -> None:
        batched = server.requests.batched
        if batched is not None:
            batched.start_trace("7", trace_info(number), None)

    return [Request(lambda number=number: write(number)) for number in range(count)]


def accepting(count: int) -> Callable[[bytes], tuple[int, object]]:
    """The app, which accepts all of a batch with so many writes."""

    def answer(body: bytes) -> tuple[int, object]:
        return 200, {"accepted": [True] * count if body else [], "transactions": [[0, count]] if body else []}

    return answer


def test_a_server_with_the_app_is_asked_once() -> None:
    """With an empty batch, once enough infos are waiting; then each `send` is one request."""
    with serving_batches(accepting(12)) as server:
        server.requests.prepare(LEAST - 1)
        assert (server.batches, server.requests.overlaps, server.requests.batched) == ([], True, None)
        for _ in range(2):
            server.requests.prepare(LEAST)
            assert not server.requests.overlaps
            assert server.requests.send(writes(server, 12)) == [True] * 12
            assert list(server.requests.transactions) == [range(12)]
        assert (server.batches[0], len(server.batches), min(server.batches[1:]) > 0) == (0, 3, True)


@pytest.mark.parametrize("status_and_body", [(400, {"detail": "Invalid Content-Type"}), (404, None), (200, {})])
def test_a_server_without_the_app_is_asked_again_later(status_and_body: tuple[int, object]) -> None:
    """Its answer is that of an endpoint that does not take batches, or of a proxy; meanwhile it gets single requests."""
    with serving_batches(lambda _: status_and_body) as server:
        for server.now, asked in ((0.0, 1), (ASK_AGAIN - 1, 1), (ASK_AGAIN, 2)):
            server.requests.prepare(LEAST)
            assert (len(server.batches), server.requests.overlaps) == (asked, True)
            assert server.requests.send(writes(server, 12)) == [True] * 12


def test_a_server_that_does_not_answer_is_asked_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be busy: only an answer shows that it takes no batches."""
    with serving_batches(accepting(12)) as server:
        with monkeypatch.context() as patch:

            def fail(*_: object, **_named: object) -> None:
                raise MlflowException("timed out")

            patch.setattr("mlflow.utils.rest_utils.http_request", fail)
            server.requests.prepare(LEAST)
        assert server.requests.overlaps
        server.requests.prepare(LEAST)
        assert not server.requests.overlaps


@pytest.mark.parametrize(
    ("status_and_body", "expected"),
    [
        ((200, {"accepted": [True, False, None], "transactions": [[0, 1]]}), [True, False, None]),
        ((200, {"accepted": [True, True], "transactions": []}), [False, None, None]),
        ((200, {"accepted": 3}), [False, None, None]),
        ((200, {"accepted": [True] * 3, "transactions": [[0, math.inf]]}), [False, None, None]),
        ((503, None), [False, None, None]),
        ((413, None), [False, None, None]),
    ],
)
def test_a_batch_that_fails(status_and_body: tuple[int, object], expected: list[bool | None]) -> None:
    """What is not known to be written is for the caller, which sends it by MLflow's API; batches are resumed later."""
    with serving_batches(accepting(3)) as server:
        server.requests.prepare(LEAST)
        server.answers = lambda _: status_and_body
        assert server.requests.send(writes(server, 3)) == expected
        server.answers = accepting(3)
        for server.now, overlaps in ((APART - 1, True), (APART, False)):
            server.requests.prepare(LEAST)
            assert server.requests.overlaps is overlaps


def test_writes_are_accepted_by_the_answer() -> None:
    """Not when they are encoded: the number of undelivered spans that a process' end displays does not drop before."""
    accepted: list[int] = []
    seen: list[list[int]] = []

    def answer(body: bytes) -> tuple[int, object]:
        seen.append(accepted.copy())
        return 200, {"accepted": [True, False, None] if body else [], "transactions": []}

    with serving_batches(answer) as server:
        server.requests.prepare(LEAST)
        requests = [
            replace(request, accepted=partial(accepted.append, number))
            for number, request in enumerate(writes(server, 3))
        ]
        assert server.requests.send(requests) == [True, False, None]
    assert (seen, accepted) == ([[], []], [0])


def test_what_is_postponed_is_no_failure() -> None:
    """An urgent operation may come after a batch was encoded: it is not sent, and the next ones are batches as well."""
    with serving_batches(accepting(3)) as server:
        server.stops = iter([True])
        server.requests.prepare(LEAST)
        assert (server.batches, server.requests.overlaps) == ([], True)
        server.stops = cycle([False])
        server.requests.prepare(LEAST)
        server.stops = iter([False, True])
        assert server.requests.send(writes(server, 3)) == [None] * 3
        assert (len(server.batches), server.requests.overlaps) == (1, False)
        server.stops = cycle([False])
        assert server.requests.send(writes(server, 3)) == [True] * 3


def test_a_write_that_cannot_be_encoded() -> None:
    """Those before it are sent; it is left to the caller, which reports what is wrong with it."""
    with serving_batches(accepting(2)) as server:
        server.requests.prepare(LEAST)

        def fail() -> None:
            raise ValueError("no such state")

        requests = writes(server, 4)
        requests[2] = Request(fail)
        assert server.requests.send(requests) == [True, True, False, None]


def test_large_batches_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server limits the size of a request; positions of transactions count on."""
    monkeypatch.setattr("otel_dspy.mlflow.tracking.traces.server_requests.MOST_BYTES", 1)
    with serving_batches(accepting(1)) as server:
        server.requests.prepare(LEAST)
        assert server.requests.send(writes(server, 3)) == [True] * 3
        assert list(server.requests.transactions) == [range(1), range(1, 2), range(2, 3)]
        assert len(server.batches) == 4


def test_a_batch_is_encoded_while_the_server_writes_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers the first batch once the second one has been encoded; each ends with spans."""
    monkeypatch.setattr("otel_dspy.mlflow.tracking.traces.server_requests.ENOUGH_BYTES", 1)
    encoded, waits = threading.Event(), iter([False, True, False])

    def answer(body: bytes) -> tuple[int, object]:
        assert not next(waits) or encoded.wait(60)
        return accepting(2 if body else 0)(body)

    with serving_batches(answer) as server:
        server.requests.prepare(LEAST)

        def write_spans(number: int) -> None:
            batched: Any = server.requests.batched
            batched.log_spans("7", [span(number, number)])
            if number == 1:
                encoded.set()

        infos = writes(server, 2)
        requests = [
            one
            for number in range(2)
            for one in (infos[number], Request(lambda number=number: write_spans(number), {2 * number}, measured=False))
        ]
        assert server.requests.send(requests) == [True] * 4
        assert list(server.requests.transactions) == [range(2), range(2, 4)]
        assert len(server.batches) == 3


def test_the_batch_after_one_that_failed_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was encoded meanwhile; the caller attempts the first write of the failed one alone, and then all others."""
    monkeypatch.setattr("otel_dspy.mlflow.tracking.traces.server_requests.MOST_BYTES", 1)
    with serving_batches(accepting(1)) as server:
        server.requests.prepare(LEAST)
        server.answers = lambda _: (503, None)
        assert server.requests.send(writes(server, 3)) == [False, None, None]
        assert len(server.batches) == 2


def test_other_services_are_not_asked() -> None:
    """Databricks does not run the app."""
    with serving_batches(accepting(0), scheme="databricks") as server:
        server.requests.prepare(LEAST)
        assert (server.batches, server.requests.overlaps) == ([], True)


def test_spans_are_encoded_with_their_resource() -> None:
    """A body has a `ResourceSpans` for each write; that of spans has the resource, of which MLflow makes tags."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - of this test alone
        ExportTraceServiceRequest,
    )

    bodies: list[bytes] = []

    def answer(body: bytes) -> tuple[int, object]:
        bodies.append(body)
        return accepting(1)(body)

    with serving_batches(answer) as server:
        server.requests.prepare(LEAST)

        def write() -> None:
            batched: Any = server.requests.batched
            batched.log_spans("7", [span(1, 1), span(2, 2)])

        assert server.requests.send([Request(write, measured=False)]) == [True]
    (group,) = ExportTraceServiceRequest.FromString(bodies[-1]).resource_spans
    assert {entry.key: entry.value.string_value for entry in group.resource.attributes} == dict(
        span(1, 1).span.resource
    )
    assert [one.span_id.hex() for one in group.scope_spans[0].spans] == [f"{number:016x}" for number in (1, 2)]


def test_an_mlflow_that_takes_no_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    """As 3.9, which makes no tags of it: spans are decoded without theirs."""
    entity: Any = Span
    convert: Callable[..., Span] = entity.from_otel_proto

    def without_resource(message: object) -> Span:
        return convert(message)

    monkeypatch.setattr(entity, "from_otel_proto", without_resource)
    body = trace_batch.encoded(SpansWrite([mlflow_span(span(1, 1))], {"service.name": "s"}))
    (write,) = trace_batch.decoded(body)
    assert isinstance(write, SpansWrite)
    assert [one.span_id for one in write.spans] == [f"{1:016x}"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b'{"accepted": [], "transactions": [[0, Infinity]]}'])
def test_what_is_no_answer(body: bytes) -> None:
    """A proxy's page, or anything else with status 200, is that of a server that takes no batches."""
    assert trace_batch.answer(body, 0) is None
