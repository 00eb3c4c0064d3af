"""Deliveries to `mlflow server --app-name otel-dspy`: many traces in one request, and what MLflow then has."""

from __future__ import annotations

import json
import secrets
import threading
import uuid
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dspy
import pytest
import requests
from mlflow import MlflowClient

from otel_dspy.bridge.multi_writer.concurrent_writer import ConcurrentWriter
from otel_dspy.mlflow import MlflowSpanProcessor
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.store.traces import trace_batch, trace_entities
from otel_dspy.mlflow.tracking.store.traces.mlflow_span import mlflow_span
from otel_dspy.mlflow.tracking.traces import trace_sender
from otel_dspy.mlflow.tracking.traces.server_requests import LEAST
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter
from tests.chaos.twins import DELIVERY, differences, record
from tests.integration.bridge.test_same_tree import comparable
from tests.integration.mlflow_server_app.test_endpoint import new_experiment, post
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.instrumented_dspy import instrumented
from tests.unit.mlflow.tracking.test_whole_traces import applied, call, span, trace_info

if TYPE_CHECKING:
    from tests.support.mlflow_server import MlflowServer

TRACE = 5
"""Number of the trace of `one_trace`."""
BATCH = {"content-type": trace_batch.MEDIA_TYPE}


INFO = "/api/3.0/mlflow/traces"
"""MLflow's path of a trace info."""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """Requests that this process sends, by server and path; trace batches as `batch`."""
    found: Counter[tuple[str, str]] = Counter()
    request = requests.Session.request

    def counted(session: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
        is_batch = more.get("headers", {}).get("Content-Type") == trace_batch.MEDIA_TYPE
        address = urlsplit(url)
        found[f"{address.scheme}://{address.netloc}", "batch" if is_batch else address.path] += 1
        return request(session, method, url, **more)

    monkeypatch.setattr(requests.Session, "request", counted)
    return found


def test_an_evaluation_is_stored_as_by_mlflows_api(
    app_server: MlflowServer,
    server: MlflowServer,
    sent: Counter[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Runs, traces, spans, tags and assessments: no difference to a server without the app, in fewer requests."""
    # On a busy machine the examples would end one by one, and their traces would be sent so.
    monkeypatch.setattr(trace_sender, "LINGER", DELIVERY / 1000)
    experiment = f"batches-{uuid.uuid4().hex[:8]}"
    processors = [MlflowSpanProcessor(tracking_uri=one.uri, experiment=experiment) for one in (app_server, server)]
    count = 3 * LEAST
    with instrumented(*processors), dspy.context(lm=addition_lm()):
        dspy.Evaluate(devset=examples(count), metric=exact, num_threads=2)(dspy.ChainOfThought("question -> answer"))
    for processor in processors:
        assert processor.force_flush(DELIVERY)
        processor.shutdown()
    assert sent[app_server.uri, "batch"] >= 1
    # That of the evaluation's own trace may be sent before there are enough of them.
    assert sent[app_server.uri, INFO] <= 2
    assert sent[server.uri, INFO] >= count
    in_batches, by_api = (comparable(record(one.uri, experiment)) for one in (app_server, server))
    assert differences(in_batches, by_api) == []
    (run,) = in_batches["runs"]
    assert len(run["traces"]) == count + 1


def applier_of(uri: str, experiment: str, writer: type[ExclusiveWriter | ConcurrentWriter]) -> OperationApplier:
    """One that has written a trace, by which it knows the experiment."""
    applier = OperationApplier(writer(Destination(uri, Experiment(name=experiment)), threading.Event()))
    applied(applier, [span(999, 1, parent=None), trace_info(999)])
    return applier


def new_traces() -> range:
    """Numbers of traces that no other test on this server has, enough for a batch."""
    first = secrets.randbits(64)
    return range(first, first + LEAST + 2)


def totals(uri: str, experiment: str) -> dict[str, tuple[str, str, int, int]]:
    """State, response, tokens and number of spans of each trace."""
    client: Any = MlflowClient(uri)
    found = client.search_traces([client.get_experiment_by_name(experiment).experiment_id], max_results=500)
    return {
        trace.info.trace_id: (
            str(trace.info.state.value),
            trace.info.response_preview,
            int(json.loads(trace.info.trace_metadata.get("mlflow.trace.tokenUsage", "{}")).get("total_tokens", 0)),
            len(trace.data.spans),
        )
        for trace in found
        if trace.info.trace_id != f"tr-{999:032x}"
    }


@pytest.mark.parametrize("writer", [ExclusiveWriter, ConcurrentWriter])
def test_infos_that_follow_their_spans(
    app_server: MlflowServer, sent: Counter[tuple[str, str]], writer: type[ExclusiveWriter | ConcurrentWriter]
) -> None:
    """Of long examples the spans are sent first; their infos are merged into the traces, with the tokens of all spans."""
    experiment = f"late-{uuid.uuid4().hex[:8]}"
    applier, numbers = applier_of(app_server.uri, experiment, writer), new_traces()
    calls = [call(number, 2, input_tokens=7, output_tokens=3) for number in numbers]
    applied(applier, calls)
    applied(applier, [replace(trace_info(number), state=None, duration_ms=None, response=None) for number in numbers])
    sent.clear()
    applied(applier, [one for number in numbers for one in (span(number, 1, parent=None), trace_info(number))])
    assert sent[app_server.uri, "batch"] >= 1
    expected = {f"tr-{number:032x}": ("OK", "2", 10, 2) for number in numbers}
    assert totals(app_server.uri, experiment) == expected


def test_traces_that_another_writer_has_begun(app_server: MlflowServer, sent: Counter[tuple[str, str]]) -> None:
    """Their infos cannot be in the transaction of the others: all of them are merged, one by one."""
    experiment = f"others-{uuid.uuid4().hex[:8]}"
    numbers = new_traces()
    other = applier_of(app_server.uri, experiment, ConcurrentWriter)
    applied(other, [call(number, 3, input_tokens=7, output_tokens=3) for number in numbers])
    applier = applier_of(app_server.uri, experiment, ConcurrentWriter)
    sent.clear()
    whole = [
        (call(number, 2, input_tokens=7, output_tokens=3), span(number, 1, parent=None), trace_info(number))
        for number in numbers
    ]
    applied(applier, [operation for operations in whole for operation in operations])
    assert sent[app_server.uri, "batch"] >= 1
    expected = {f"tr-{number:032x}": ("OK", "2", 20, 3) for number in numbers}
    assert totals(app_server.uri, experiment) == expected


def test_an_answer_that_is_lost(
    app_server: MlflowServer, sent: Counter[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is stored, and sent again by MLflow's API: each trace, each span and each token is there once."""
    experiment = f"lost-{uuid.uuid4().hex[:8]}"
    applier, numbers = applier_of(app_server.uri, experiment, ExclusiveWriter), new_traces()
    answer = trace_batch.answer

    def lost(body: bytes, writes: int) -> trace_batch.BatchAnswer | None:
        return answer(body, writes) if not writes else None

    monkeypatch.setattr(trace_batch, "answer", lost)
    whole = [
        (call(number, 2, input_tokens=7, output_tokens=3), span(number, 1, parent=None), trace_info(number))
        for number in numbers
    ]
    applied(applier, [operation for operations in whole for operation in operations])
    assert sent[app_server.uri, "batch"] == 2
    assert sent[app_server.uri, INFO] >= len(numbers)
    expected = {f"tr-{number:032x}": ("OK", "2", 10, 2) for number in numbers}
    assert totals(app_server.uri, experiment) == expected


@pytest.mark.parametrize("kind", ["app_server", "server"])
def test_traces_of_two_services(kind: str, request: pytest.FixtureRequest) -> None:
    """Each has the tags of its own one, though MLflow's client sends one resource in a request."""
    server: MlflowServer = request.getfixturevalue(kind)
    experiment = f"services-{uuid.uuid4().hex[:8]}"
    applier, numbers = applier_of(server.uri, experiment, ConcurrentWriter), new_traces()
    for number in numbers:
        root = span(number, 1, parent=None)
        applier.apply(replace(root, span=replace(root.span, resource={"service.name": f"service {number % 2}"})))
        applier.apply(trace_info(number))
    applied(applier, [])
    client: Any = MlflowClient(server.uri)
    found = client.search_traces([client.get_experiment_by_name(experiment).experiment_id])
    tags = {trace.info.trace_id: trace.info.tags["service.name"] for trace in found}
    assert {number: tags[f"tr-{number:032x}"] for number in numbers} == {
        number: f"service {number % 2}" for number in numbers
    }


def test_spans_that_share_no_transaction(app_server: MlflowServer) -> None:
    """Alone in a batch, and before the info of a trace that exists, which is written on its own."""
    header = new_experiment(app_server, f"alone-{uuid.uuid4().hex[:8]}")
    number, experiment_id = secrets.randbits(64), header["x-mlflow-experiment-id"]
    spans = trace_batch.encoded(
        trace_batch.SpansWrite([mlflow_span(call(number, 2, input_tokens=7, output_tokens=3))], {})
    )
    info = trace_entities.trace_info(experiment_id, trace_info(number), None, {})
    late = trace_batch.encoded(trace_batch.InfoWrite(info, exists=True))
    for body, written in ((spans, 1), (spans + late, 2), (late + spans, 2)):
        status, _, answer = post(app_server.uri, body, BATCH | header)
        assert (status, json.loads(answer)["accepted"]) == (200, [True] * written)


def test_a_batch_that_cannot_be_read(app_server: MlflowServer) -> None:
    """It is answered with 400 and the reason, and nothing of it is stored."""
    name = f"damaged-{uuid.uuid4().hex[:8]}"
    header = new_experiment(app_server, name)
    status, _, body = post(app_server.uri, one_trace(header["x-mlflow-experiment-id"])[:-3], BATCH | header)
    assert (status, b"Error parsing message" in body) == (400, True)
    assert totals(app_server.uri, name) == {}


def one_trace(experiment_id: str) -> bytes:
    """The body of a batch with a trace info and a span."""
    info = trace_entities.trace_info(experiment_id, trace_info(TRACE), None, {})
    root = mlflow_span(span(TRACE, 1, parent=None))
    return trace_batch.encoded(trace_batch.InfoWrite(info, exists=False)) + trace_batch.encoded(
        trace_batch.SpansWrite([root], {})
    )


def test_an_info_of_another_experiment(app_server: MlflowServer) -> None:
    """MLflow has checked the permissions for the experiment in the header: the info is rejected."""
    name = f"elsewhere-{uuid.uuid4().hex[:8]}"
    header = new_experiment(app_server, name)
    status, _, body = post(app_server.uri, one_trace("0"), BATCH | header)
    assert (status, body) == (400, b"a trace info is of another experiment than the request")
    assert totals(app_server.uri, name) == {}


def test_a_plain_server_rejects_a_batch(server: MlflowServer) -> None:
    """Its media type is none of OTLP: a server without the app stores nothing of it, and answers so."""
    name = f"plain-{uuid.uuid4().hex[:8]}"
    header = new_experiment(server, name)
    status, _, _ = post(server.uri, one_trace(header["x-mlflow-experiment-id"]), BATCH | header)
    assert status == 400
    assert totals(server.uri, name) == {}
