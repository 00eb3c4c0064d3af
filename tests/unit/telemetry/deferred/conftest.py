"""Fixtures of the tests of deferred ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest

from otel_dspy import DSPyInstrumentor
from otel_dspy.runtime import deferred_queue as later_module
from tests.support.addition_task import addition_lm
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Iterator


_dspy: Any = dspy


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the deferred thread, and calls that come later, from getting ahead of what a test looks at."""
    monkeypatch.setattr(later_module, "DELAY", 60)
    monkeypatch.setattr(later_module, "LATEST", 60)  # or a call that waits for the processor does it


@pytest.fixture
def captured() -> Iterator[TelemetryCapture]:
    """DSPy instrumented, spans with content to a batch processor."""
    capture = TelemetryCapture(batched=True)
    DSPyInstrumentor().instrument(**capture.providers, capture_content=True)
    with _dspy.context(lm=addition_lm()):
        yield capture
    DSPyInstrumentor().uninstrument()
    capture.shutdown()
