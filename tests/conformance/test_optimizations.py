"""Whatever DSPy is asked to do, all that otel-dspy emits keeps the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dspy
import pytest

from otel_dspy import DSPyInstrumentor
from tests.conformance.contract import beyond_gaps
from tests.conformance.scenarios import SCENARIOS, SCRIPT
from tests.support.lm_server import scripted_lm
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.conformance.scenarios import Scenario


@pytest.fixture
def unchecked() -> Generator[TelemetryCapture]:
    """Captured telemetry that this test checks itself, known gaps considered."""
    captured = TelemetryCapture()
    yield captured
    captured.shutdown()


@pytest.mark.parametrize("scenario", [pytest.param(scenario, id=name) for name, scenario in SCENARIOS.items()])
def test_what_is_emitted_keeps_the_contract(unchecked: TelemetryCapture, scenario: Scenario) -> None:
    """No span, metric or event breaks the contract but in the known gaps, and every known gap is still there."""
    instrumentor = DSPyInstrumentor()
    instrumentor.instrument(**unchecked.providers, **scenario.settings)
    try:
        with (
            scripted_lm(SCRIPT) as server,
            dspy.context(
                lm=dspy.LM("openai/gpt-4o-mini", api_base=server.api_base, api_key="k", cache=scenario.cached)
            ),
        ):
            scenario.act()
    finally:
        instrumentor.uninstrument()
    assert scenario.shows <= {span.name for span in unchecked.spans}
    assert beyond_gaps(unchecked.violations(opted_in=scenario.opted_in), scenario.gaps) == []
