"""The keyword of each capture switch overrides the environment, both ways."""

from __future__ import annotations

from typing import Any, Final

import dspy
import pytest

from otel_dspy import DSPyInstrumentor
from otel_dspy.settings import CONTENT_VARIABLE
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizers import Rounds
from tests.support.telemetry_capture import TelemetryCapture

_MESSAGES: Final = frozenset({"gen_ai.input.messages", "gen_ai.output.messages"})
_TEXTS: Final = _MESSAGES | {
    "dspy.evaluate.results",
    "dspy.example.inputs",
    "dspy.example.labels",
    "dspy.example.prediction",
    "dspy.module.input",
    "dspy.module.output",
}
_PROGRAMS: Final = frozenset({"dspy.program.state"})
_DATASETS: Final = frozenset({"dspy.dataset.rows"})
_SHOWN: Final = _TEXTS - {"dspy.evaluate.results"} | _PROGRAMS | _DATASETS
"""Attributes that hold content; the results are there without it too, as scores alone."""


def _captured(**settings: Any) -> tuple[set[str], set[str]]:
    """Names of the content attributes on the spans and events of a compile with these settings."""
    capture = TelemetryCapture()
    DSPyInstrumentor().instrument(**capture.providers, **settings)
    try:
        with dspy.context(lm=addition_lm()):
            Rounds(exact, rounds=1).compile(dspy.Predict("question -> answer"), trainset=examples(1))
    finally:
        DSPyInstrumentor().uninstrument()
    spans = {name for span in capture.spans for name in span.attributes or {}} & _SHOWN
    events = {name for event in capture.events for name in event.log_record.attributes or {}} & _SHOWN
    return spans, events


@pytest.mark.parametrize("mode", ["NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT", "true", ""])
@pytest.mark.parametrize("keyword", [False, True])
def test_capture_content_overrides_the_environment(
    monkeypatch: pytest.MonkeyPatch, *, mode: str, keyword: bool
) -> None:
    """False: no content anywhere. True: content on spans, and with events where the variable asks for those too."""
    monkeypatch.setenv(CONTENT_VARIABLE, mode)
    spans, events = _captured(capture_content=keyword)
    assert spans == (_SHOWN if keyword else set())
    assert events == (_MESSAGES if keyword and "EVENT" in mode else set())


@pytest.mark.parametrize(("name", "attributes"), [("programs", _PROGRAMS), ("datasets", _DATASETS)])
@pytest.mark.parametrize("variable", ["true", "false"])
@pytest.mark.parametrize("keyword", [False, True])
def test_the_other_switches_override_the_environment(
    monkeypatch: pytest.MonkeyPatch, *, name: str, attributes: frozenset[str], variable: str, keyword: bool
) -> None:
    """Programs and datasets have switches of their own: each keyword decides about its attributes alone."""
    monkeypatch.setenv(f"OTEL_DSPY_CAPTURE_{name.upper()}", variable)
    others = _SHOWN - attributes
    assert _captured(capture_content=True, **{f"capture_{name}": keyword})[0] == (
        others | attributes if keyword else others
    )
    assert _captured(capture_content=False, **{f"capture_{name}": keyword})[0] == (attributes if keyword else set())
