"""Ends that wait are processed by a flush, a shutdown and the end of the instrumentation; a fork leaves them to its parent."""

from __future__ import annotations

import gc
import os
import threading
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from opentelemetry.sdk.trace import _disable_tracer_configurator

from otel_dspy import DSPyInstrumentor
from tests.support.deferred_ends import batch_processor

if TYPE_CHECKING:
    from tests.support.telemetry_capture import TelemetryCapture

pytestmark = pytest.mark.usefixtures("patient")


def test_a_shutdown_has_it_all(captured: TelemetryCapture) -> None:
    """A program that only shuts its provider down loses nothing."""
    dspy.Predict("question -> answer")(question="1+1")
    captured.tracer_provider.shutdown()
    assert len(captured.span_exporter.get_finished_spans()) == 2


def test_uninstrumenting_has_it_all(captured: TelemetryCapture) -> None:
    """What has ended before is handed over, so that a flush by any means finds it."""
    dspy.Predict("question -> answer")(question="1+1")
    DSPyInstrumentor().uninstrument()
    batch_processor(captured).force_flush()
    assert len(captured.span_exporter.get_finished_spans()) == 2


@pytest.mark.parametrize("how", ["force_flush", "shutdown"])
def test_a_processor_that_is_flushed_by_itself_has_it_all(how: str, captured: TelemetryCapture) -> None:
    """A function's handler keeps the processor and flushes that one, and not the provider."""
    dspy.Predict("question -> answer")(question="1+1")
    getattr(batch_processor(captured), how)()
    assert len(captured.span_exporter.get_finished_spans()) == 2


def test_a_flush_that_runs_out_of_time_returns_false(captured: TelemetryCapture) -> None:
    """Its limit counts for what has been left behind too; a second one has the rest."""
    dspy.Predict("question -> answer")(question="1+1")
    assert not captured.tracer_provider.force_flush(0)
    assert captured.tracer_provider.force_flush(60_000)
    assert len(captured.span_exporter.get_finished_spans()) == 2


@pytest.mark.usefixtures("only_own_garbage")
def test_a_call_that_outlives_the_instrumentation_is_recorded(captured: TelemetryCapture) -> None:
    """Its span ends although the queue has no other reference, and a garbage collection comes first."""
    inside, go_on = threading.Event(), threading.Event()

    class Slow(dspy.Module):
        def forward(self, question: str) -> Any:
            inside.set()
            go_on.wait()
            return dspy.Prediction(answer=question)

    program: Any = Slow()
    thread = threading.Thread(target=lambda: program(question="1+1"))
    thread.start()
    inside.wait()
    DSPyInstrumentor().uninstrument()
    go_on.set()
    thread.join()
    del thread
    gc.collect()
    assert [span.name for span in captured.spans] == ["module Slow"]


def test_a_tracer_that_is_switched_off_in_mid_call(captured: TelemetryCapture) -> None:
    """What was open is exported, with the resource that it began with."""
    provider: Any = captured.tracer_provider

    class Switching(dspy.Module):
        def forward(self, question: str) -> Any:
            provider._set_tracer_configurator(tracer_configurator=_disable_tracer_configurator)
            return dspy.Prediction(answer=question)

    program: Any = Switching()
    program(question="1+1")
    assert [span.name for span in captured.spans] == ["module Switching"]


def test_a_fork_leaves_what_waits_to_the_parent(captured: TelemetryCapture) -> None:
    """A child that continues with the provider exports its own spans alone; the parent's are exported once, by the parent."""
    program = dspy.Predict("question -> answer")
    program(question="1+1")
    child = os.fork()
    if child == 0:
        telemetry: Any = DSPyInstrumentor()._telemetry
        waiting = len(telemetry.deferred_queue)
        program(question="2+2")
        os._exit(0 if waiting == 0 and len(telemetry.deferred_queue) > 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(captured.spans) == 2
