"""DSPy does for its users what it does without us: the same seeds, the same model, compared exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from otel_dspy import DSPyInstrumentor
from tests.behavior.model import model
from tests.behavior.observation import Stage, observe
from tests.behavior.optimizations import OPTIMIZATIONS
from tests.behavior.programs import PROGRAMS
from tests.behavior.user_code import USER_CODE
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.behavior.observation import Scenario

SCENARIOS: Final = {**PROGRAMS, **OPTIMIZATIONS, **USER_CODE}
SETTINGS: Final[Mapping[str, tuple[bool, Mapping[str, Any]]]] = {
    "linked": (True, {"capture_content": True}),
    "nested": (False, {"capture_content": True, "trace_shape": "nested"}),
    "without content": (True, {"capture_content": False, "example_ratio": 0.5}),
    "nested without content": (False, {"capture_content": False, "trace_shape": "nested", "example_ratio": 0.5}),
}
"""Name -> whether the spans end late, as in production; settings."""
_ALONE: Final = {"nested", "without content"}
"""Settings that `make test` tests as one, the last: each leaves what the other changes."""
_unwatched: Final[dict[str, dict[str, Any]]] = {}


def _alone(name: str, folder: Path) -> dict[str, Any]:
    """What the scenario shows without us, observed once and stable."""
    if name not in _unwatched:
        _unwatched[name] = _seen(SCENARIOS[name], folder / "first")
        assert _seen(SCENARIOS[name], folder / "second") == _unwatched[name], "it differs without us: it proves nothing"
    return _unwatched[name]


def _seen(scenario: Scenario, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    return observe(scenario, Stage(model(), folder))


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(settings, marks=[pytest.mark.slow] if name in _ALONE else [], id=name)
        for name, settings in SETTINGS.items()
    ],
)
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_that_a_user_can_see_differs(
    name: str, settings: tuple[bool, Mapping[str, Any]], tmp_path: Path
) -> None:
    """Results, exceptions, output, warnings, logs, histories and the next random numbers are those without us."""
    expected = _alone(name, tmp_path)
    batched, keywords = settings
    captured = TelemetryCapture(batched=batched)
    DSPyInstrumentor().instrument(**captured.providers, **keywords)
    try:
        watched = _seen(SCENARIOS[name], tmp_path / "watched")
    finally:
        DSPyInstrumentor().uninstrument()
        captured.shutdown()
    assert watched == expected


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_stays_when_it_is_over(name: str, tmp_path: Path) -> None:
    """After `uninstrument` everything is as if there had been no instrumentation."""
    expected = _alone(name, tmp_path)
    DSPyInstrumentor().instrument(capture_content=True)
    DSPyInstrumentor().uninstrument()
    assert _seen(SCENARIOS[name], tmp_path / "after") == expected
