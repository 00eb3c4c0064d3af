"""A program that shuts its tracer provider down, once or twice, and continues: what is recorded, and what is logged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow
import pytest
from dspy.utils.dummies import DummyLM
from opentelemetry.sdk.trace import TracerProvider

import otel_dspy.mlflow
from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor, autolog
from otel_dspy.mlflow.tracking.runs.stale_runs import REASON_TAG
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.mlflow_tree import read_tree
from tests.support.optimizers import Rounds
from tests.support.wrapping_provider import WrappingProvider

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.integration.mlflow.conftest import CallContext

WARNING = "MLflow's span processor was shut down: what starts from now on is not recorded in MLflow."


@pytest.fixture(autouse=True)
def undone(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """Warnings of otel-dspy are recorded; nothing of a test stays."""
    caplog.set_level(logging.WARNING, "otel_dspy")
    yield
    autolog(disable=True)
    DSPyInstrumentor().uninstrument()


def ask(question: str) -> None:
    """A program call with a canned answer."""
    with dspy.context(lm=DummyLM(cast("Any", [{"answer": "2"}]))):
        dspy.Predict("question -> answer")(question=question)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What otel-dspy has logged: the SDK's own processors log each span that ends after their shutdown."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("otel_dspy")]


def asked(place: CallContext) -> list[str]:
    """The questions that are in MLflow."""
    assert otel_dspy.mlflow.flush(120)
    traces = read_tree(place.uri, place.experiment).traces
    return sorted(str(trace.request_preview).removeprefix('{"question":"').removesuffix('"}') for trace in traces)


def check_that_autolog_records_again(place: CallContext, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is recorded after a shutdown, with one warning, until `autolog` is called."""
    ask("lost")
    ask("lost too")
    (line,) = logged(caplog)
    assert line.startswith(WARNING)
    caplog.clear()
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("after")
    assert asked(place) == ["after", "before"]
    assert logged(caplog) == []


def test_autologs_own_provider(place: CallContext, caplog: pytest.LogCaptureFixture) -> None:
    """One warning, at the first call that is not recorded; a further `autolog` records again."""
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("before")
    provider = cast("TracerProvider", DSPyInstrumentor().tracer_provider)
    provider.shutdown()
    provider.shutdown()
    assert provider.force_flush()
    assert logged(caplog) == []
    check_that_autolog_records_again(place, caplog)


def test_the_programs_provider(place: CallContext, caplog: pytest.LogCaptureFixture) -> None:
    """The same with `autolog` on a provider of the program's."""
    provider = TracerProvider(shutdown_on_exit=False)
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("before")
    provider.shutdown()
    provider.shutdown()
    check_that_autolog_records_again(place, caplog)


def test_a_processor_that_is_used_again(place: CallContext, caplog: pytest.LogCaptureFixture) -> None:
    """By a second provider, after the first one has shut it down, as a second `logfire.configure()` does."""
    processor = MlflowSpanProcessor(tracking_uri=place.uri, experiment=place.experiment)
    provider = WrappingProvider(TracerProvider(shutdown_on_exit=False))
    provider.add_span_processor(processor)
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
    ask("before")
    provider.replace(TracerProvider(shutdown_on_exit=False))
    provider.add_span_processor(processor)
    ask("lost")
    (line,) = logged(caplog)
    assert line.startswith(WARNING)
    assert asked(place) == ["before"]


def test_a_provider_that_autolog_has_joined(place: CallContext, caplog: pytest.LogCaptureFixture) -> None:
    """Logfire's: the warning comes with the first call that is not recorded; there is no second one."""
    provider = WrappingProvider(TracerProvider(shutdown_on_exit=False))
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("before")
    assert otel_dspy.mlflow.flush(120)
    provider.shutdown()
    provider.shutdown()
    assert logged(caplog) == []
    ask("lost")
    (line,) = logged(caplog)
    assert "as logfire.shutdown() and each further logfire.configure() do" in line
    assert asked(place) == ["before"]


@pytest.mark.parametrize("model_alone", [False, True])
def test_a_provider_that_drops_what_it_has_shut_down(
    place: CallContext, caplog: pytest.LogCaptureFixture, *, model_alone: bool
) -> None:
    """As each further `logfire.configure()`: the warning comes with the next call, also with one of a model alone.

    It does not if `autolog` is called before.
    """
    provider = WrappingProvider(TracerProvider(shutdown_on_exit=False))
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("before")
    for restarts in (True, False):
        provider.replace(TracerProvider(shutdown_on_exit=False))
        if restarts:
            autolog(tracking_uri=place.uri, experiment=place.experiment)
            ask("after")
    assert logged(caplog) == []
    if model_alone:
        DummyLM(cast("Any", [{"answer": "2"}]))("lost")
    else:
        ask("lost")
    (line,) = logged(caplog)
    assert "as logfire.shutdown() and each further logfire.configure() do" in line
    assert asked(place) == ["after", "before"]


def test_what_the_program_has_switched_off(place: CallContext, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged for what is not to be recorded."""
    provider = WrappingProvider(TracerProvider(shutdown_on_exit=False))
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    ask("before")
    autolog(disable=True)
    ask("between")
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    DSPyInstrumentor().uninstrument()
    provider.shutdown()
    ask("after")
    assert logged(caplog) == []
    assert asked(place) == ["before"]


class Interrupting(dspy.Module):
    """Asks twice, and shuts the tracer provider down between."""

    def __init__(self) -> None:
        """Create it."""
        super().__init__()
        self.answer = dspy.Predict("question -> answer")

    def forward(self, question: str) -> dspy.Prediction:
        """Answer."""
        self.answer(question=f"{question} first")
        cast("TracerProvider", DSPyInstrumentor().tracer_provider).shutdown()
        return self.answer(question=f"{question} second")


@pytest.mark.contract_gaps("its parent was never exported")
def test_a_provider_that_is_shut_down_in_a_call(place: CallContext) -> None:
    """What has ended is kept; the trace is an ERROR with the reason, since nothing can record its end any more."""
    autolog(tracking_uri=place.uri, experiment=place.experiment)
    with dspy.context(lm=DummyLM(cast("Any", [{"answer": "2"}] * 2))):
        Interrupting()(question="a")
    ask("lost")
    (trace,) = read_tree(place.uri, place.experiment).traces
    assert (trace.state, trace.tags[REASON_TAG]) == (
        "ERROR",
        "the tracer provider was shut down before it recorded the end of the trace",
    )
    assert [span.name for span in trace.spans] == ["module Predict"]


@pytest.mark.contract_gaps("its parent was never exported")
def test_a_provider_that_is_shut_down_in_a_trace_of_the_programs(place: CallContext) -> None:
    """The program's own trace goes on, and MLflow records its end."""
    mlflow.set_tracking_uri(place.uri)
    mlflow.set_experiment(place.experiment)
    autolog()

    @mlflow.trace
    def answer() -> None:
        with dspy.context(lm=DummyLM(cast("Any", [{"answer": "2"}] * 2))):
            Interrupting()(question="a")

    answer()
    mlflow.flush_trace_async_logging()
    (trace,) = read_tree(place.uri, place.experiment).traces
    assert (trace.state, REASON_TAG in trace.tags) == ("OK", False)


@pytest.mark.contract_gaps("its parent was never exported", "where None encloses it")
def test_a_provider_that_is_shut_down_in_a_compile(place: CallContext) -> None:
    """Its run has the reason, too, which is not the end of the process."""
    autolog(tracking_uri=place.uri, experiment=place.experiment)

    def interrupting(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> float:
        cast("TracerProvider", DSPyInstrumentor().tracer_provider).shutdown()
        return exact(example, prediction, trace)

    with dspy.context(lm=addition_lm()):
        Rounds(interrupting).compile(dspy.Predict("question -> answer"), trainset=examples(4))
    (run,) = read_tree(place.uri, place.experiment).runs
    reason = "the tracer provider was shut down before it recorded the end of the run"
    assert (run.status, run.tags[REASON_TAG]) == ("KILLED", reason)
    assert {one.state for one in (*run.traces, *(trace for child in run.children for trace in child.traces))} <= {
        "OK",
        "ERROR",
    }
