"""Arguments of a compile under the names of DSPy's optimizers, also where a user's optimizer names them differently."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.util.genai.utils import bind_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs

_STUDENT = "student"


def compile_arguments(compile_method: Callable[..., Any], args: Args, kwargs: Kwargs) -> dict[str, Any]:
    """Return the arguments of a compile by name, with defaults and without the optimizer.

    Those that a parameter like `**options` takes are by their own names. Where no parameter is named `student`, as in
    `compile(self, *args, **kwargs)` or `compile(self, program, data)`, it is the first program among the arguments.

    Args:
        compile_method: the compile, bound to its optimizer.
        args: what it is called with.
        kwargs: the same.
    """
    bound: dict[str, Any] = bind_arguments(compile_method, args, kwargs, apply_defaults=True)
    bound.pop("self", None)
    more, options = _variadic(compile_method)
    arguments = bound | cast("dict[str, Any]", bound.pop(options, {}))
    rest: list[Any] = list(arguments.pop(more, ()))
    if _STUDENT not in arguments:
        _name_student(arguments, rest)
    if rest:
        arguments[more] = rest
    return arguments


def _variadic(compile_method: Callable[..., Any]) -> tuple[str, str]:
    """Return the names of the parameters with one and with two asterisks; empty where there is none."""
    try:
        parameters = inspect.signature(compile_method).parameters.values()
    except (TypeError, ValueError):
        return "", ""
    names = {parameter.kind: parameter.name for parameter in parameters}
    return names.get(inspect.Parameter.VAR_POSITIONAL, ""), names.get(inspect.Parameter.VAR_KEYWORD, "")


def _name_student(arguments: dict[str, Any], rest: list[Any]) -> None:
    import dspy  # noqa: PLC0415 - dspy is imported when it is instrumented

    for name, value in arguments.items():
        if isinstance(value, dspy.Module) and name != "teacher":
            arguments[_STUDENT] = arguments.pop(name)
            return
    for position, value in enumerate(rest):
        if isinstance(value, dspy.Module):
            arguments[_STUDENT] = rest.pop(position)
            return
