"""Spans that end after their call are the spans that would have ended with it, in every scenario of `tests/behavior`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import pytest

from otel_dspy import DSPyInstrumentor
from otel_dspy.runtime import deferred_queue
from tests.behavior.model import model
from tests.behavior.observation import Stage, observe
from tests.behavior.optimizations import OPTIMIZATIONS
from tests.behavior.programs import PROGRAMS
from tests.behavior.user_code import USER_CODE
from tests.support.comparable_trees import comparable_trees, span_id
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

SCENARIOS: Final = {**PROGRAMS, **OPTIMIZATIONS, **USER_CODE}


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    # The thread must not get ahead of what a test looks at.
    monkeypatch.setattr(deferred_queue, "DELAY", 60)


def _recorded(name: str, folder: Path, *, late: bool) -> tuple[ReadableSpan, ...]:
    folder.mkdir()
    capture = TelemetryCapture(batched=late)
    DSPyInstrumentor().instrument(**capture.providers, capture_content=True)
    try:
        observe(SCENARIOS[name], Stage(model(), folder))
        return capture.spans
    finally:
        DSPyInstrumentor().uninstrument()
        capture.shutdown()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_deferred_span_equals_an_immediate_one(name: str, tmp_path: Path) -> None:
    """Names, kinds, attributes, statuses, events, links and parents are those of spans that end at once."""
    at_once = comparable_trees(_recorded(name, tmp_path / "at once", late=False))
    late = _recorded(name, tmp_path / "late", late=True)
    assert comparable_trees(late) == at_once
    times = {span_id(span): (cast("int", span.start_time), cast("int", span.end_time)) for span in late}
    assert all(start <= end for start, end in times.values())
