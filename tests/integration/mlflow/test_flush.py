"""Reading back in the recording program: `flush`, and the delivery order if time is short."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow
import pytest
from dspy.utils.dummies import DummyLM
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import otel_dspy
from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor, autolog, flush
from otel_dspy.mlflow.delivery.pending_flushes import PendingFlushes
from otel_dspy.mlflow.exporter import MlflowSpanExporter
from tests.chaos.faulty_proxy import faulty_proxy
from tests.integration.mlflow.contract_spans import SpanEmitter, provider
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.mlflow_server import free_port
from tests.support.mlflow_tree import read_tree
from tests.support.optimizers import Rounds

if TYPE_CHECKING:
    from collections.abc import Generator

    from otel_dspy.reporting.report import Report
    from tests.chaos.faulty_proxy import FaultyProxy
    from tests.integration.mlflow.conftest import CallContext
    from tests.support.mlflow_server import MlflowServer

DELIVERY = 120.0
"""Seconds that a delivery may take on a loaded machine."""
WAITING = 20
"""Traces before a compile's end, whose order is looked at."""


@pytest.fixture
def undone() -> Generator[None]:
    """Nothing of a test stays."""
    before = mlflow.get_tracking_uri()
    yield
    mlflow.set_tracking_uri(before)
    autolog(disable=True)
    DSPyInstrumentor().uninstrument()


def set_up(how: str, place: CallContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record DSPy at the place in one of the ways that the documentation names."""
    if how == "autolog":
        autolog(tracking_uri=place.uri, experiment=place.experiment)
        return
    made = TracerProvider(shutdown_on_exit=False)
    if how == "processor":
        made.add_span_processor(MlflowSpanProcessor(tracking_uri=place.uri, experiment=place.experiment))
    else:
        # What the SDK makes of OTEL_TRACES_EXPORTER=mlflow.
        made.add_span_processor(BatchSpanProcessor(MlflowSpanExporter()))
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", place.experiment)
        mlflow.set_tracking_uri(place.uri)
    DSPyInstrumentor().instrument(tracer_provider=made, capture_content=True, capture_programs=True)


# Each way has one processor, whose requests to a server are those of `autolog`.
@pytest.mark.parametrize(
    ("how", "place"),
    [
        ("autolog", "server"),
        ("processor", "sqlite"),
        ("OTEL_TRACES_EXPORTER", "sqlite"),
        pytest.param("processor", "server", marks=pytest.mark.slow),
        pytest.param("OTEL_TRACES_EXPORTER", "server", marks=pytest.mark.slow),
    ],
    indirect=["place"],
)
@pytest.mark.usefixtures("undone")
def test_what_has_ended_is_there_after_flush(how: str, place: CallContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right after `compile` and `flush` the run has ended and has its metrics, artifacts and traces with scores."""
    set_up(how, place, monkeypatch)
    with dspy.context(lm=DummyLM(cast("Any", [{"answer": "2", "reasoning": "so"}] * 50))):
        optimizer = dspy.BootstrapFewShotWithRandomSearch(
            exact, num_candidate_programs=0, max_bootstrapped_demos=1, num_threads=1
        )
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(1), valset=examples(2))
    assert flush(DELIVERY)
    (run,) = read_tree(place.uri, place.experiment).runs
    assert (run.status, "score/best" in run.metrics, "best_model.json" in run.artifacts) == ("FINISHED", True, True)
    trials = [child for child in run.children if child.name.startswith("trial")]
    assert [[len(trace.assessments) for trace in trial.traces] for trial in trials] == [[1, 1], [1, 1], [1, 1]]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("undone")
def test_what_reads_a_run_waits_for_what_the_process_has_recorded(
    place: CallContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next cell of a notebook: the report, the comparison and the best program of a compile that has just ended."""
    monkeypatch.setenv("OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT", str(DELIVERY))
    set_up("autolog", place, monkeypatch)
    student = dspy.Predict("question -> answer")
    found: list[Report] = []
    for _ in range(2):
        with dspy.context(lm=addition_lm()):
            Rounds(exact).compile(student, trainset=examples(2))
        found.append(otel_dspy.report(tracking_uri=place.uri, experiment=place.experiment))
    first, second = (report.compile for report in found)
    assert (first.status, second.status, len(second.trials)) == ("FINISHED", "FINISHED", 2)
    with dspy.context(lm=addition_lm()):
        Rounds(exact).compile(student, trainset=examples(2))
    best = otel_dspy.best_program("latest", student, tracking_uri=place.uri, experiment=place.experiment)
    assert best.run_id not in {first.run_id, second.run_id}
    compared = otel_dspy.compare(first.run_id, best.run_id, tracking_uri=place.uri)
    assert [compiled.status for compiled in compared.compiles] == ["FINISHED", "FINISHED"]


def test_flush_returns_false_at_a_timeout_and_after_the_end() -> None:
    """False where MLflow does not answer in time; a processor that was shut down is not waited for."""
    made = MlflowSpanProcessor(tracking_uri=f"http://127.0.0.1:{free_port()}", experiment="nowhere")
    assert flush(0.1)
    with provider(made).get_tracer("otel_dspy").start_as_current_span("call"):
        pass
    assert not flush(0.1)
    worker = made._worker
    threading.Thread(target=lambda: worker.close(cast("Any", _Impatient()))).start()
    assert not flush(10_000.0)


class _Impatient:
    """Does not wait at all."""

    def wait(self, *_: object) -> bool:
        """Give up."""
        return False


class _Gate:
    """Holds the requests of a proxy that write a trace, from the first one until it is opened."""

    def __init__(self, proxy: FaultyProxy) -> None:
        self.held = threading.Event()
        self.open = threading.Event()
        fate = proxy.fate

        def gated(request: str) -> str | None:
            if request == "POST /api/3.0/mlflow/traces":
                self.held.set()
                assert self.open.wait(DELIVERY)
            return fate(request)

        proxy.fate = gated


@pytest.mark.parametrize("end", ["compile ends", "process ends"])
def test_runs_end_before_example_traces_are_written(
    end: str, server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty traces are on their way, one is being written: the run's params, metrics and end come next."""
    flushed, add = threading.Event(), PendingFlushes.add

    def noted(flushes: PendingFlushes, *, end_runs: bool) -> threading.Event:
        try:
            return add(flushes, end_runs=end_runs)
        finally:
            flushed.set()

    monkeypatch.setattr(PendingFlushes, "add", noted)
    experiment = f"order-{uuid.uuid4().hex[:12]}"
    with faulty_proxy(server.uri, share=0.0) as proxy:
        gate = _Gate(proxy)
        made = MlflowSpanProcessor(tracking_uri=proxy.uri, experiment=experiment)
        tracer = provider(made, uuid.uuid4().int >> 97).get_tracer("otel_dspy")
        for number in range(WAITING):
            with tracer.start_as_current_span(f"call {number}"):
                pass
        assert gate.held.wait(DELIVERY)
        before = len(proxy.requests)
        compiling = SpanEmitter(tracer, uuid.uuid4().hex).compile()
        compiling.__enter__()
        if end == "compile ends":
            compiling.__exit__(None, None, None)
        ending = threading.Thread(target=made.shutdown if end == "process ends" else lambda: flush(DELIVERY))
        ending.start()
        assert flushed.wait(DELIVERY)
        gate.open.set()
        ending.join(DELIVERY)
        if end == "process ends":
            compiling.__exit__(None, None, None)  # this thread's context
        after = [request for request, _ in proxy.requests[before:]]
    first_end = after.index("POST /api/2.0/mlflow/runs/update")
    traces = [number for number, request in enumerate(after) if request == "POST /api/3.0/mlflow/traces"]
    # The one that was being written, and what the batch may hold no longer.
    assert len([number for number in traces if number < first_end]) == 1
    assert len(traces) >= WAITING
    tree = read_tree(server.uri, experiment)
    (run,) = tree.runs
    assert (run.status, len(tree.traces)) == ("FINISHED" if end == "compile ends" else "KILLED", WAITING)
    assert {trace.state for trace in run.traces} == ({"OK"} if end == "compile ends" else {"ERROR"})
