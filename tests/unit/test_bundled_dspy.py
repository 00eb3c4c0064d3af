"""DSPy without its metadata, as PyInstaller bundles it."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, version

import dspy
import pytest

from otel_dspy import DSPyInstrumentor
from tests.support.addition_task import addition_lm
from tests.support.telemetry_capture import TelemetryCapture


@pytest.fixture
def _no_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package has any."""

    def missing(name: str) -> Distribution:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(Distribution, "from_name", missing)


@pytest.mark.usefixtures("_no_metadata")
def test_it_is_instrumented() -> None:
    """OpenTelemetry takes it for not installed, logs an error and instruments nothing."""
    with pytest.raises(PackageNotFoundError):
        version("dspy")
    capture = TelemetryCapture()
    DSPyInstrumentor().instrument(**capture.providers)
    try:
        with dspy.context(lm=addition_lm()):
            dspy.Predict("question -> answer")(question="1+1")
    finally:
        DSPyInstrumentor().uninstrument()
    assert "module Predict" in {span.name for span in capture.spans}
