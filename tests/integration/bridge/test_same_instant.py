"""Two bridges that write the same thing between each other's look and write: the end is that of one delivery in order.

The gate is at the store's door: one writer stands before it while the other does all that it has to do.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags, set_span_in_context

from otel_dspy.bridge.delivery import Delivery
from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.bridge.request_writer import RequestWriter
from otel_dspy.mlflow.tracking.artifacts.table_list import LOGGED_ARTIFACTS_TAG
from otel_dspy.mlflow.tracking.store.model_store import ModelStore
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.traces.trace_store import TraceStore
from otel_dspy.otlp_requests.span_route import routed
from tests.chaos.twins import differences, record
from tests.integration.bridge.test_once import PATIENCE
from tests.integration.bridge.test_same_tree import comparable
from tests.integration.mlflow.contract_spans import SpanEmitter, program_state, provider
from tests.support.parsed_requests import from_protobuf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.mapping.trace_operations import LogTrace

EXPERIMENT = "instant"


@pytest.fixture
def recorded() -> list[ReadableSpan]:
    """A compile with two trials, its examples in its own trace, in the order in which they ended."""
    kept = InMemorySpanExporter()
    emitter = SpanEmitter(provider(SimpleSpanProcessor(kept)).get_tracer("otel_dspy"), compile_id="c", nested=True)
    state = program_state("Add.")
    with emitter.compile(state=state, rows=[{"question": "1+1", "answer": "2"}]) as span:
        for index in range(2):
            with emitter.trial(index, score=50.0, state=state), emitter.evaluate([1.0, 0.0], trial=index):
                pass
        emitter.program(span, state)
    return list(kept.get_finished_spans())


@pytest.fixture
def writers() -> Iterator[tuple[RequestWriter, RequestWriter]]:
    """Two bridges' writers."""
    made = (RequestWriter(2**30), RequestWriter(2**30))
    yield made
    for writer in made:
        writer.close(PATIENCE)
        assert writer.pipeline.lost == 0


def submit(writer: RequestWriter, uri: str, spans: Sequence[ReadableSpan]) -> Delivery:
    """Give spans to a writer as one request."""
    experiments = ExperimentRouter(uri, EXPERIMENT)
    found = from_protobuf(encode_spans(spans).SerializeToString()).spans
    delivery = Delivery([routed(one, experiments.destination({}, None)) for one in found], 1)
    assert writer.submit(delivery)
    return delivery


def await_written(delivery: Delivery) -> None:
    """MLflow has it."""
    written = delivery.done.result(PATIENCE)
    assert (written.again, written.rejected) == (False, {})


Method = tuple[type, str]
"""A class of a store, and the name of a method of it."""


class Gate:
    """Holds a writer before its first call of a method of the store that fits, until it is opened."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, method: Method, writer: RequestWriter, fits: Callable[..., bool]
    ) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        original: Any = getattr(*method)

        def gated(store: object, *arguments: Any) -> Any:
            if threading.current_thread() is writer._thread and not self.reached.is_set() and fits(*arguments):
                self.reached.set()
                assert self.open.wait(PATIENCE)
            return original(store, *arguments)

        monkeypatch.setattr(*method, gated)


def returns_no_end(_experiment: object, info: LogTrace, *_: object) -> bool:
    """Whether a trace's info is written as that of one that goes on."""
    return info.state is None


def always(*_: object) -> bool:
    """Any call."""
    return True


def never(*_: object) -> bool:
    """No call."""
    return False


def operation(span: ReadableSpan) -> object:
    """What a span stands for."""
    return (span.attributes or {}).get("dspy.operation.name")


def expected_of(uri: str, spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """What MLflow holds when one writer received all of it, in order."""
    writer = RequestWriter(2**30)
    await_written(submit(writer, uri, spans))
    writer.close(PATIENCE)
    return comparable(record(uri, EXPERIMENT))


@pytest.mark.parametrize("late", ["setup", "example"])
def test_an_end_between_look_and_write_stays(
    late: str,
    recorded: list[ReadableSpan],
    writers: tuple[RequestWriter, RequestWriter],
    new_store: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A span of a compile comes twice; the second time while another bridge ends the compile's trace: it stays ended."""
    reference, tried = new_store("reference"), new_store("tried")
    expected = expected_of(reference, recorded)
    slow, quick = writers
    gate = Gate(monkeypatch, (TraceStore, "start_trace"), slow, returns_no_end)
    again = submit(slow, tried, [span for span in recorded if operation(span) == late])
    assert gate.reached.wait(PATIENCE)
    await_written(submit(quick, tried, recorded))
    gate.open.set()
    await_written(again)
    found = comparable(record(tried, EXPERIMENT))
    assert differences(found, expected) == []
    assert [trace["state"] for trace in found["runs"][0]["traces"]] == ["OK"]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("first", [0, 1])
def test_processes_that_share_a_trace(
    first: int,
    writers: tuple[RequestWriter, RequestWriter],
    new_store: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    gated: bool,
) -> None:
    """The trace is as the caller expects, whichever of the two comes first, or in the other one's midst."""
    kept = InMemorySpanExporter()
    tracer = provider(SimpleSpanProcessor(kept)).get_tracer("otel_dspy")
    with tracer.start_as_current_span("caller", attributes={"dspy.operation.name": "module"}) as caller:
        about = caller.get_span_context()
        there = NonRecordingSpan(SpanContext(about.trace_id, about.span_id, is_remote=True, trace_flags=TraceFlags(1)))
        with tracer.start_as_current_span("called", set_span_in_context(there)) as called:
            called.set_attribute("dspy.operation.name", "module")
            called.set_status(StatusCode.ERROR)
    spans = sorted(kept.get_finished_spans(), key=lambda span: span.name != "caller")
    tried = new_store("tried")
    slow, quick = writers
    gate = Gate(monkeypatch, (TraceStore, "start_trace"), slow, always if gated else never)
    later = submit(slow, tried, [spans[1 - first]])
    if gated:
        assert gate.reached.wait(PATIENCE)
    else:
        await_written(later)
    await_written(submit(quick, tried, [spans[first]]))
    gate.open.set()
    await_written(later)
    (trace,) = record(tried, EXPERIMENT)["traces"]
    assert (trace["name"], trace["state"]) == ("caller", "OK")
    assert sorted(span["name"] for span in trace["spans"]) == ["called", "caller"]


class Whole(NamedTuple):
    """Something that MLflow takes only whole.

    Attributes:
        method: of the store, that writes it.
        fits: whether a call is one that does.
        late: what the spans stand for that let the slow writer do it.
    """

    method: Method
    fits: Callable[..., bool]
    late: set[str]


def lists_tables(_run: object, _params: object, _points: object, tags: dict[str, str]) -> bool:
    """Whether the tags say which tables a run has."""
    return LOGGED_ARTIFACTS_TAG in tags


TABLES = Whole((Store, "log_run"), lists_tables, {"dataset"})
MODEL = Whole((ModelStore, "create_model"), always, {"setup", "compile"})


@pytest.mark.parametrize("whole", [pytest.param(TABLES, id="tables"), pytest.param(MODEL, id="model")])
def test_what_several_write_whole(
    whole: Whole,
    recorded: list[ReadableSpan],
    writers: tuple[RequestWriter, RequestWriter],
    new_store: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bridge is about to write something whole; meanwhile another does, with more in it: all is there, once."""
    reference, tried = new_store("reference"), new_store("tried")
    expected = expected_of(reference, recorded)
    slow, quick = writers
    gate = Gate(monkeypatch, whole.method, slow, whole.fits)
    again = submit(slow, tried, [span for span in recorded if operation(span) in whole.late])
    assert gate.reached.wait(PATIENCE)
    await_written(submit(quick, tried, recorded))
    gate.open.set()
    await_written(again)
    assert differences(comparable(record(tried, EXPERIMENT)), expected) == []
