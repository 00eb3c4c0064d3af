"""Number of language model calls that one run of a program makes, from its modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.hooks.optimizers.plans.call_plan import Amount

if TYPE_CHECKING:
    from collections.abc import Iterable

ONE_CALL_EACH: Final = "Each predictor is assumed to call its model once in a run of the program."
UNKNOWN: Final = "The program has modules that call their model as often as they need: measure some examples."
_SINGLE: Final = frozenset({"Predict", "ChainOfThought", "MultiChainComparison"})
"""DSPy's modules with one call of each of their predictors."""


def calls_of_a_run(program: Any) -> tuple[Amount, str]:
    """Return the number of LM calls of one run of the program, and what it is based on.

    Modules of the user are assumed to call each of their predictors once. DSPy's agents and similar modules, programs
    without predictors, and objects that are not modules have no upper bound: Ensemble compiles without a student.
    """
    if not callable(getattr(program, "predictors", None)):
        return Amount.between(0, None), UNKNOWN
    predictors = len(program.predictors())
    modules: Iterable[tuple[str, Any]] = program.named_sub_modules()
    kinds: set[type[object]] = {cast("type[object]", type(module)) for _, module in modules}
    repeating = [kind for kind in kinds if kind.__module__.startswith("dspy.predict") and kind.__name__ not in _SINGLE]
    if repeating or not predictors:
        return Amount.between(min(predictors, 1), None, predictors), UNKNOWN
    return Amount.exactly(predictors), ONE_CALL_EACH
