"""Programs find, change, keep and end the spans of deferred calls as any other span."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from typing import Any, cast

import dspy
import pytest
from opentelemetry.context import attach, detach, set_value
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.trace import SpanContext, StatusCode, get_current_span, set_span_in_context

from otel_dspy import DSPyInstrumentor
from otel_dspy.hooks.calls.module_paths import ModulePaths
from tests.support.comparable_trees import comparable_trees
from tests.support.telemetry_capture import TelemetryCapture

pytestmark = pytest.mark.usefixtures("patient")
_dspy: Any = dspy


class _Annotated(dspy.Module):
    """Sets an attribute on its own span."""

    def forward(self) -> str:
        get_current_span().set_attribute("app.step", 1)
        return "done"


@pytest.mark.contract_gaps("app.step is not a name that may stand here")
def test_a_span_that_the_program_uses_ends_with_its_call(captured: TelemetryCapture) -> None:
    """Its end is the call's as well, not the time at which the queue ends it."""
    _Annotated()()
    over = time.time_ns()
    (span,) = captured.spans
    assert cast("Any", span.attributes)["app.step"] == 1
    assert cast("int", span.end_time) <= over


def _touch(span: Any) -> dict[str, Any]:
    """Do to the current span whatever a program can, and say what it shows of itself."""
    shown: dict[str, Any] = {
        "an SDK's": all(isinstance(span, kind) for kind in (SdkSpan, ReadableSpan)),
        "recording": span.is_recording(),
        "name": span.name,
        "kind": span.kind.name,
        "attributes": dict(span.attributes),
        "links": len(span.links),
        "parent": span.parent is not None,
        "scope": span.instrumentation_scope.name,
        "resource": dict(span.resource.attributes) != {},
        "start": span.start_time > 0,
        "end": span.end_time,
        "text": repr(span).startswith("_Span(name="),
    }
    span.set_attribute("mine", 1)
    span.set_attributes({"mine too": [1, 2]})
    span.add_event("mine", {"at": "once"})
    span.add_link(SpanContext(1, 2, is_remote=True), {"why": "mine"})
    span.record_exception(ValueError("mine"))
    span.update_name("mine")
    span.set_status(StatusCode.OK)
    return shown | {"afterwards": (span.name, span.status.status_code.name, len(span.events), len(span.attributes))}


@pytest.mark.contract_gaps("'mine': no such span in the contract")
def test_a_program_finds_the_span_that_it_would_have_found() -> None:
    """What the current span shows in a call, and what becomes of all that a program puts there, are the SDK's."""
    shown: list[dict[str, Any]] = []

    class Touching(dspy.Module):
        def forward(self, question: str) -> Any:
            shown.append(_touch(get_current_span()))
            return dspy.Prediction(answer=question)

    texts: list[Any] = []
    for late in (False, True):
        capture = TelemetryCapture(batched=late)
        DSPyInstrumentor().instrument(**capture.providers)
        program: Any = Touching()
        program(question="1+1")
        texts.append(comparable_trees(capture.spans))
        DSPyInstrumentor().uninstrument()
        capture.shutdown()
    assert shown[0] == shown[1]
    assert shown[1]["an SDK's"]
    assert texts[0] == texts[1]
    assert texts[1][0][0] == "mine"


def test_a_span_that_is_kept_keeps_nothing_else(captured: TelemetryCapture) -> None:
    """Not the context around it, nor the spans before: a program may make each turn a child of the last one."""

    class Value:
        """Something in a context."""

    kept: list[Any] = []

    class Keeping(dspy.Module):
        def forward(self, question: str) -> Any:
            kept[:] = [get_current_span()]
            return dspy.Prediction(answer=question)

    program: Any = Keeping()
    alive: list[weakref.ref[Any]] = []
    gc.disable()
    try:
        for _ in range(5):
            value = Value()
            alive.append(weakref.ref(value))
            token = attach(set_value("value", value, set_span_in_context(kept[0]) if kept else None))
            program(question="1+1")
            detach(token)
            del value, token
            alive.append(weakref.ref(kept[0]))
            captured.tracer_provider.force_flush()
        assert sum(one() is not None for one in alive) == 1
    finally:
        gc.enable()


def _of_a_program(found: object) -> bool:
    return isinstance(found, ModulePaths) and found._program() is not None


@pytest.mark.usefixtures("only_own_garbage")
def test_a_call_leaves_no_circle(captured: TelemetryCapture) -> None:
    """Once its spans are exported nothing of a call is left for the garbage collection, which takes longer than the call."""

    def call() -> set[str]:
        _dspy.ChainOfThought("question -> answer")(question="1+1")
        asyncio.run(_dspy.Predict("question -> answer").acall(question="1+1"))
        captured.tracer_provider.force_flush()
        captured.span_exporter.clear()
        ours = [one for one in gc.get_objects() if str(type(one).__module__).startswith("otel_dspy")]
        # Paths are a program's, and DSPy's own trace has these two programs still.
        return {type(one).__qualname__ for one in ours if id(one) not in before and not _of_a_program(one)}

    before: set[int] = set()
    call()
    gc.collect()
    gc.disable()
    try:
        before |= {id(one) for one in gc.get_objects()}
        assert call() == set()
    finally:
        gc.enable()


@pytest.mark.contract_gaps("it failed without error.type")  # which it gets from us, and the program has ended it before
def test_an_error_within_the_span_is_recorded(captured: TelemetryCapture) -> None:
    """`with span:` ends it as failed, with an event, as the SDK's own does."""

    class Leaving(dspy.Module):
        def forward(self, question: str) -> Any:
            with get_current_span():
                raise ValueError(question)

    program: Any = Leaving()
    with pytest.raises(ValueError, match="boom"):
        program(question="boom")
    (span,) = captured.spans
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError: boom")
    assert [event.name for event in span.events] == ["exception"]


def test_after_its_end_a_span_has_ended(captured: TelemetryCapture, caplog: pytest.LogCaptureFixture) -> None:
    """Once the queue has run, what a program has kept is the SDK's ended span, complete, which takes no more."""
    found: list[Any] = []

    class Showing(dspy.Module):
        def forward(self, question: str) -> Any:
            found.append(get_current_span())
            return dspy.Prediction(answer=question)

    program: Any = Showing()
    program(question="1+1")
    (span,) = found
    captured.tracer_provider.force_flush()
    assert not span.is_recording()
    assert span.end_time >= span.start_time
    assert "1+1" in span.attributes["dspy.module.input"]
    span.set_attribute("mine", 1)
    span.update_name("mine")
    assert "ended span" in caplog.text
    assert [(one.name, "mine" in (one.attributes or {})) for one in captured.spans] == [("module Showing", False)]


def test_what_a_program_has_ended_takes_no_more(captured: TelemetryCapture) -> None:
    """Neither the program's changes after its own `end`, nor ours: its time is kept, be it 0, and the call's error out."""

    class Ending(dspy.Module):
        def forward(self, question: str) -> Any:
            span = get_current_span()
            span.end(0)
            span.update_name("mine")
            raise ValueError(question)

    program: Any = Ending()
    with pytest.raises(ValueError, match="boom"):
        program(question="boom")
    (span,) = captured.spans
    assert (span.name, span.end_time, span.status.status_code) == ("module Ending", 0, StatusCode.UNSET)
    assert set(span.attributes or {}) == {"dspy.module.name", "dspy.module.type", "dspy.operation.name"}


def test_a_span_that_the_user_ends_too(captured: TelemetryCapture, caplog: pytest.LogCaptureFixture) -> None:
    """Ending the current span is the user's mistake, which breaks nothing: the first end counts, once."""

    class Ending(dspy.Module):
        def forward(self, question: str) -> Any:
            get_current_span().end()
            return dspy.Prediction(answer=question)

    program: Any = Ending()
    program(question="1+1")
    assert [span.name for span in captured.spans] == ["module Ending"]
    assert "left out" not in caplog.text
