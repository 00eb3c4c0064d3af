"""An error or Ctrl-C at any call of any phase: DSPy behaves as without instrumentation, and the error is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.breakable_optimizations import OPTIMIZATIONS, calls_of, outcome
from tests.support.breaking_point import BreakingPoint
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from tests.support.span_recorder import Recorder

_STRICT: Final = frozenset({"ReAnchor", "BootstrapFinetune"})
"""They let no error pass."""
_PARTS: Final = {
    "SIMBA": ["phase sample", "phase step", "phase validate", "trial SIMBA"],
    "COPRO": ["trial COPRO"],
    "BootstrapFewShot": ["phase bootstrap"],
    "InferRules": ["phase bootstrap", "phase induce", "trial InferRules"],
    "BootstrapFewShotWithOptuna": ["phase bootstrap", "trial BootstrapFewShotWithOptuna"],
    "BootstrapFewShotWithRandomSearch": ["phase bootstrap", "trial BootstrapFewShotWithRandomSearch"],
    "MIPROv2": ["phase bootstrap", "phase propose", "phase search", "trial MIPROv2"],
    "BetterTogether": ["phase bootstrap", "trial BetterTogether", "trial BootstrapFewShotWithRandomSearch"],
    "BootstrapFinetune": ["phase bootstrap"],
    "GRPO": ["trial GRPO"],
    "ReAnchor": ["phase calibrate", "trial ReAnchor"],
}
"""Of each optimizer the phases and trials that record an error which none of them catches."""


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", [ArithmeticError, KeyboardInterrupt])
@pytest.mark.parametrize("name", OPTIMIZATIONS)
def test_whichever_call_breaks(name: str, kind: type[BaseException], every: int) -> None:
    """For every call of the model and of the metric: result, error and number of calls are the same with us.

    `make test` breaks every ninth call, of the model and of the metric in turn, and the last one. What was open when it broke has ended and names the error where that came through to the user, each of the
    optimizer's own phases and trials too; the contract holds.
    """
    optimize = OPTIMIZATIONS[name]
    total = calls_of(optimize)
    assert total > 5
    raised, recorded = 0, set[str]()
    points = sorted({*range(0, total, every), total - 1})
    for at in points:
        without = outcome(optimize, BreakingPoint(at, kind("broken here")))
        with recording() as recorder:
            within = outcome(optimize, BreakingPoint(at, kind("broken here")))
        assert within == without, at
        (compiled, *_) = recorder.attributes_of(f"compile {name}")
        came_through = isinstance(without[0], type)
        raised += came_through
        assert compiled.get("error.type") == (_recorded_as(without[0]) if came_through else None), at
        failed = [trial for trial in recorder.attributes_of(f"trial {name}") if trial["trial.state"] == "fail"]
        assert all("error.type" in trial and "trial.score" not in trial for trial in failed), at
        recorded |= _failed_parts(recorder)
    if kind is KeyboardInterrupt:
        assert recorded
        assert recorded <= set(_PARTS[name])
        assert every > 1 or sorted(recorded) == _PARTS[name]
    if kind is KeyboardInterrupt or name in _STRICT:
        assert raised == len(points)
    else:
        assert raised < len(points)


def _recorded_as(kind: type[BaseException]) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _failed_parts(recorder: Recorder) -> set[str]:
    return {
        span.name for span in recorder.spans if span.name.split()[0] in {"phase", "trial"} and not span.status.is_ok
    }
