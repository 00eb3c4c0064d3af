"""Plan of a compile, from its optimizer and the arguments of its compile."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

from otel_dspy.hooks.optimizers.plans.counts import invalid_count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.hooks.optimizers.hook_registry import HookRegistry
    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan

_logger = logging.getLogger(__name__)


def plan_of(registry: HookRegistry, optimizer: Any, given: Mapping[str, Any]) -> CallPlan | None:
    """Return the plan of a compile.

    Args:
        registry: hooks of the optimizers.
        optimizer: the optimizer.
        given: arguments of compile by name, including the student; those that compile does not accept are ignored.

    Returns:
        None if the optimizer's arithmetic is unknown, if a count is invalid, or if compile would reject the arguments.
    """
    hook = registry.for_optimizer(optimizer)
    if not _compiles_as(optimizer, hook.optimizer):
        return None
    try:
        if invalid_count(optimizer, given) is not None:
            return None
        arguments = hook.arguments(optimizer, _with_defaults(optimizer, given))
        return hook.plan(optimizer, arguments, lambda inner, of_step: plan_of(registry, inner, of_step))
    except Exception:
        # An optimizer that was changed, or arguments that compile rejects with its own message.
        _logger.debug("no forecast for %s", type(optimizer).__name__, exc_info=True)
        return None


def _compiles_as(optimizer: Any, name: str) -> bool:
    """Return whether `compile` is that of the class with this name, not that of a subclass with other arithmetic."""
    owner = next((cls for cls in type(optimizer).__mro__ if "compile" in vars(cls)), None)
    return owner is not None and f"{owner.__module__}.{owner.__qualname__}" == name


def _with_defaults(optimizer: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(optimizer.compile).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        accepted = dict(given)
    else:
        accepted = {parameter.name: given[parameter.name] for parameter in parameters if parameter.name in given}
    defaults = {
        parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty
    }
    return {**defaults, **accepted}
