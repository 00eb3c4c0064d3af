"""`autolog`: setup, reconfiguration and removal."""

from __future__ import annotations

import logging
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy.utils.dummies import DummyLM
from inline_snapshot import snapshot
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import autolog, autologging
from otel_dspy.mlflow.exporter import MlflowSpanExporter
from tests.integration.mlflow.conftest import SERVER_IS_SLOW
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.blank_store import blank_store
from tests.support.mlflow_tree import read_tree
from tests.support.optimizers import Rounds
from tests.support.wrapping_provider import WrappingProvider

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from opentelemetry.sdk.trace.sampling import Sampler

    from tests.integration.mlflow.conftest import CallContext


@pytest.fixture(autouse=True)
def undone() -> Generator[None]:
    """Nothing of a test stays."""
    yield
    autolog(disable=True)
    DSPyInstrumentor().uninstrument()


def ask(question: str) -> None:
    """A program call with a canned answer."""
    with dspy.context(lm=DummyLM(cast("Any", [{"answer": "2"}]))):
        dspy.Predict("question -> answer")(question=question)


def originals() -> list[object]:
    """The methods that an instrumentation may wrap."""
    classes: list[Any] = [dspy.Predict, dspy.Module, dspy.Evaluate, dspy.BootstrapFewShot]
    return [getattr(cls, name) for cls in classes for name in ("__call__", "compile") if hasattr(cls, name)]


def delivered() -> None:
    """Everything so far is in MLflow."""
    active = autologging._active
    assert active is not None
    assert active.processor.force_flush(120_000)
    assert active.processor.lost == 0


def test_a_script_with_the_name_of_a_module_that_dspy_imports_does_not_hang(tmp_path: Path) -> None:
    """DSPy imports `gepa`: the script once more, which calls `autolog` within `autolog`."""
    script = tmp_path / "gepa.py"
    script.write_text("import otel_dspy.mlflow\n\notel_dspy.mlflow.autolog(tracking_uri='sqlite:///mlflow.db')\n")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert "does not instrument DSPy: an installed package lacks a name that it needs" in done.stderr


def test_flags_of_a_second_call_hold_from_then_on(place: CallContext) -> None:
    """`log_traces=False` stops traces, a further call starts them again, and nothing is recorded twice."""
    for question, wanted in (("first", True), ("second", False), ("third", True)):
        autolog(log_traces=wanted, tracking_uri=place.uri, experiment=place.experiment)
        ask(question)
    delivered()
    found = read_tree(place.uri, place.experiment).traces
    assert [trace.request_preview for trace in found] == ['{"question":"first"}', '{"question":"third"}']


def test_disable_undoes_exactly(place: CallContext) -> None:
    """DSPy's methods are the originals again, and earlier spans have been delivered."""
    before = originals()
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("recorded")
    autolog(disable=True)
    assert originals() == before
    ask("not recorded")
    assert len(read_tree(place.uri, place.experiment).traces) == 1


@SERVER_IS_SLOW
def test_an_instrumentation_in_use_is_joined_not_replaced(place: CallContext, caplog: pytest.LogCaptureFixture) -> None:
    """The user's own exporter still receives every span, MLflow receives them too, and `disable` keeps the former."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
    with caplog.at_level(logging.INFO, "otel_dspy.mlflow"):
        autolog(tracking_uri=place.uri, experiment=place.experiment)
    assert "instrumented already" in caplog.text
    ask("both")
    delivered()
    autolog(disable=True)
    ask("yours alone")
    assert len(read_tree(place.uri, place.experiment).traces) == 1
    assert sum(span.parent is None for span in exporter.get_finished_spans()) == 2


@SERVER_IS_SLOW
def test_mlflow_chosen_by_environment_is_not_doubled(place: CallContext) -> None:
    """Where `OTEL_TRACES_EXPORTER=mlflow` was at work, `autolog` sets its destination, and each call is one trace."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(MlflowSpanExporter()))
    DSPyInstrumentor().instrument(tracer_provider=provider)
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("once")
    delivered()
    found = read_tree(place.uri, place.experiment).traces
    assert [trace.request_preview for trace in found] == ['{"question":"once"}']


@SERVER_IS_SLOW
def test_the_global_provider_is_joined(place: CallContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """`instrument()` without a provider, as `opentelemetry-instrument` calls it: `autolog` joins the global one."""
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    DSPyInstrumentor().instrument(capture_content=True)
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("joined")
    delivered()
    assert len(read_tree(place.uri, place.experiment).traces) == 1


@SERVER_IS_SLOW
def test_a_provider_around_the_sdks_is_joined(place: CallContext) -> None:
    """Logfire's provider is none of the SDK's and accepts span processors: `autolog` adds MLflow's to it."""
    provider = WrappingProvider(TracerProvider(shutdown_on_exit=False))
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("joined")
    delivered()
    [found] = read_tree(place.uri, place.experiment).traces
    assert found.request_preview == '{"question":"joined"}'


@SERVER_IS_SLOW
def test_a_provider_that_drops_its_processors(place: CallContext, caplog: pytest.LogCaptureFixture) -> None:
    """A further `logfire.configure()` does: one warning names it, and a further `autolog()` records again."""
    provider = WrappingProvider(TracerProvider(shutdown_on_exit=False))
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("before")
    provider.replace(TracerProvider(shutdown_on_exit=False))
    ask("between")
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("after")
    delivered()
    found = read_tree(place.uri, place.experiment).traces
    assert {trace.request_preview for trace in found} == {'{"question":"before"}', '{"question":"after"}'}
    assert caplog.text.count("The tracer provider has shut down MLflow's span processor") == 1
    caplog.clear()
    autolog(disable=True)
    provider.shutdown()
    assert caplog.text == ""


@SERVER_IS_SLOW
@pytest.mark.contract_gaps("its parent was never exported")
@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "not sampled"])
def test_spans_of_the_application_inside_a_call_do_not_split_its_trace(place: CallContext, sampler: Sampler) -> None:
    """They go to the application's own backend, and what they contain of DSPy stays in the trace of the call."""
    tracer = TracerProvider(sampler=sampler, shutdown_on_exit=False).get_tracer("the application")

    def step(question: str) -> str:
        with tracer.start_as_current_span("a step"), tracer.start_as_current_span("a part of it"):
            ask(question)
        return question

    autolog(tracking_uri=place.uri, experiment=place.experiment)
    dspy.Tool(step)(question="1+1")
    delivered()
    [found] = read_tree(place.uri, place.experiment).traces
    [tool] = found.spans
    assert (tool.name, [one.name for one in tool.children]) == ("execute_tool step", ["module Predict"])
    assert [span.name for span in found.walk()] == ["execute_tool step", "module Predict", "chat dummy"]


def _unsampled(*, remote: bool) -> AbstractContextManager[object]:
    """A trace that the application does not sample."""
    caller = SpanContext(random.getrandbits(128), random.getrandbits(64), is_remote=remote)
    return use_span(NonRecordingSpan(caller))


@SERVER_IS_SLOW
@pytest.mark.contract_gaps("its parent was never exported")
@pytest.mark.parametrize("remote", [False, True])
def test_an_application_that_samples_its_traces(place: CallContext, *, remote: bool) -> None:
    """What runs in a trace that the application does not sample is in MLflow all the same, to the last score."""
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    with _unsampled(remote=remote):
        ask("in a request")
    with _unsampled(remote=remote), dspy.context(lm=addition_lm()):
        Rounds(exact, rounds=2).compile(dspy.Predict("question -> answer"), trainset=examples(4))
    delivered()
    tree = read_tree(place.uri, place.experiment)
    assert [trace.request_preview for trace in tree.traces] == ['{"question":"in a request"}']
    assert [(run.status, run.metrics["score/full"]) for run in tree.walk()] == snapshot(
        [("FINISHED", ((0, 50.0), (1, 50.0))), ("FINISHED", ((0, 50.0),)), ("FINISHED", ((0, 50.0),))]
    )
    assert [len(run.traces) for run in tree.walk()] == [1, 4, 4]


@SERVER_IS_SLOW
@pytest.mark.contract_gaps("its parent was never exported")
def test_examples_that_are_dropped_have_no_calls(place: CallContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a share of 0 no example is recorded, in an unsampled trace either; their scores are."""
    monkeypatch.setenv("OTEL_DSPY_EXAMPLE_RATIO", "0")
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    with _unsampled(remote=False), dspy.context(lm=addition_lm()):
        dspy.Evaluate(devset=examples(4), metric=exact, num_threads=2)(dspy.Predict("question -> answer"))
    delivered()
    tree = read_tree(place.uri, place.experiment)
    assert [(run.status, len(run.traces), run.metrics["usage/lm_calls"]) for run in tree.walk()] == snapshot(
        [("FINISHED", 1, ((0, 4.0),))]
    )
    assert tree.traces == ()


CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
PROGRAMS, DATASETS = "OTEL_DSPY_CAPTURE_PROGRAMS", "OTEL_DSPY_CAPTURE_DATASETS"


@pytest.mark.parametrize(
    ("variables", "excluded"),
    [
        ({}, set[str]()),
        ({CONTENT: "EVENT_ONLY"}, set[str]()),
        ({CONTENT: "NO_CONTENT"}, {CONTENT, PROGRAMS, DATASETS}),
        ({CONTENT: "NO_CONTENT", PROGRAMS: "true"}, {CONTENT, DATASETS}),
        ({PROGRAMS: "false"}, {PROGRAMS}),
        ({DATASETS: "false"}, {DATASETS}),
    ],
)
def test_the_environment_excludes_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], excluded: set[str]
) -> None:
    """What a variable excludes is on no span, and the rest is."""
    shown = {CONTENT: "gen_ai.input.messages", PROGRAMS: "dspy.program.state", DATASETS: "dspy.dataset.rows"}
    for name in shown:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    autolog(tracking_uri=blank_store(tmp_path), experiment="sums")
    exporter = InMemorySpanExporter()
    cast("TracerProvider", DSPyInstrumentor().tracer_provider).add_span_processor(SimpleSpanProcessor(exporter))
    with dspy.context(lm=addition_lm()):
        Rounds(exact, rounds=1).compile(dspy.Predict("question -> answer"), trainset=examples(2))
    autolog(disable=True)
    found = {name for span in exporter.get_finished_spans() for name in span.attributes or {}}
    assert {name for name, attribute in shown.items() if attribute not in found} == excluded
