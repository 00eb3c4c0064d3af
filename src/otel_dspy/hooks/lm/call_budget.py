"""Check of an optimization's budget before a call of a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from otel_dspy.telemetry.call_context import CallContext


def check_budget(call_context: CallContext) -> None:
    """Check the budget of the enclosing compile.

    Raises:
        BudgetExceeded: the optimization must not make another call. Not an Exception.
    """
    compiling = call_context.compile
    if compiling is not None and compiling.budget is not None:
        with guarded("the budget of an optimization"):
            compiling.budget.before_call()
