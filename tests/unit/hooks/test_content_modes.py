"""Where a call's messages leave, by the standard's variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest

from otel_dspy import DSPyInstrumentor
from otel_dspy.settings import CONTENT_VARIABLE
from tests.support.addition_task import addition_lm
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Mapping

_MESSAGES = ("gen_ai.input.messages", "gen_ai.output.messages")


def _has(recorded: Mapping[str, Any]) -> bool:
    [found] = {name in recorded for name in _MESSAGES}
    return found


@pytest.mark.parametrize(
    ("mode", "on_spans", "on_events"),
    [
        ("NO_CONTENT", False, []),
        ("SPAN_ONLY", True, []),
        ("EVENT_ONLY", False, [True]),
        ("SPAN_AND_EVENT", True, [True]),
        ("true", True, []),
        ("false", False, []),
    ],
)
def test_messages_are_where_the_variable_wants_them(
    monkeypatch: pytest.MonkeyPatch, *, mode: str, on_spans: bool, on_events: list[bool]
) -> None:
    """On spans, with events, or both; and a module's texts go with those on spans."""
    monkeypatch.setenv(CONTENT_VARIABLE, mode)
    capture = TelemetryCapture()
    predict: Any = dspy.Predict("question -> answer")
    DSPyInstrumentor().instrument(**capture.providers)
    try:
        with dspy.context(lm=addition_lm()):
            predict(question="1+1")
    finally:
        DSPyInstrumentor().uninstrument()
    spans = {span.name: span.attributes or {} for span in capture.spans}
    assert _has(spans["chat scripted"]) is on_spans
    assert ("dspy.module.input" in spans["module Predict"]) is on_spans
    calls = [event.log_record.attributes or {} for event in capture.events]
    assert [_has(recorded) for recorded in calls] == on_events
