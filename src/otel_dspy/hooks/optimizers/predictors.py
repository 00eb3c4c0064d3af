"""Demos and texts of a program's predictors, as plain data by predictor path."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from otel_dspy import semconv
from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.serialization.datasets import fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope


def predictors(program: Any) -> list[tuple[str, Any]]:
    """Return the program's predictors with their paths, in DSPy's order; empty if it is not a `dspy.Module`."""
    named = cast("Callable[[], list[tuple[str, Any]]] | None", getattr(program, "named_predictors", None))
    return named() if callable(named) else []


def predictor_name(program: Any, predictor: object) -> str:
    """Return the path of the predictor in the program; `self` if it is not part of it."""
    return next((name for name, known in predictors(program) if known is predictor), "self")


def demos(program: Any) -> dict[str, dict[str, Any]]:
    """Return the demos by predictor path: `{"self": {"demos": [{"question": …}]}}`."""
    return {name: {"demos": [fields(demo) for demo in predictor.demos]} for name, predictor in predictors(program)}


def demo_counts(program: Any) -> dict[str, int]:
    """Count the bootstrapped and the labeled demos of all predictors.

    DSPy marks a bootstrapped demo by its field `augmented` (`dspy/teleprompt/bootstrap.py` of 3.4.1).
    """
    found = Counter(
        bool(fields(demo).get("augmented")) for _, predictor in predictors(program) for demo in predictor.demos
    )
    return {"bootstrapped_demos": found[True], "labeled_demos": found[False]}


def prefix(signature: Any) -> str | None:
    """Return the prefix of the signature's last output field, which COPRO optimizes."""
    *_, last = signature.fields.values()
    return last.json_schema_extra.get("prefix")


def emit_demos(telemetry: Telemetry, scope: CompileScope, program: Any) -> None:
    """Emit a phase `select` with the demos of the compiled program, in the form of `dspy.phase.demos`.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the compile.
        program: the compiled program.
    """
    hook = PhaseHook(telemetry, scope, "select", semconv.DSPY_PHASE_DEMOS)
    with hook:
        hook.returned({path: [list(predictor.demos)] for path, predictor in predictors(program)})
