"""Ours and the wrappers of others around the same method, without the others: wrapt and a function as MLflow's."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest
import wrapt

from otel_dspy.hooks.patching.patches import Patches

if TYPE_CHECKING:
    from collections.abc import Callable


def _greeter() -> type[Any]:
    class Greeter:
        def greet(self) -> str:
            return "hello"

    return Greeter


def _tagging(tag: str, module: str) -> Callable[..., Any]:
    def wrapper(wrapped: Callable[..., Any], _instance: object, args: Any, kwargs: Any) -> Any:
        return f"{tag}({wrapped(*args, **kwargs)})"

    wrapper.__module__ = module
    return wrapper


OTHERS = _tagging("theirs", "opentelemetry.instrumentation.another")
USERS = _tagging("user", "program")
OURS = _tagging("ours", "otel_dspy.hooks.test")


@pytest.mark.parametrize("ours_off_first", [True, False])
@pytest.mark.parametrize("ours_on_first", [True, False])
def test_the_wrapper_is_below_those_of_other_instrumentations(*, ours_on_first: bool, ours_off_first: bool) -> None:
    """In either order; each is removed without the other, and then the class has its own function again."""
    greeter, patches = _greeter(), Patches()
    original = vars(greeter)["greet"]

    def theirs_on() -> None:
        wrapt.wrap_function_wrapper(greeter, "greet", OTHERS)

    def theirs_off() -> None:
        setattr(greeter, "greet", greeter.greet.__wrapped__)  # noqa: B010 - as OpenTelemetry's `unwrap` does it

    steps = [lambda: patches.wrap(greeter, "greet", OURS), theirs_on]
    for step in steps if ours_on_first else reversed(steps):
        step()
    assert greeter().greet() == "theirs(ours(hello))"
    (patches.undo if ours_off_first else theirs_off)()
    assert greeter().greet() == ("theirs(hello)" if ours_off_first else "ours(hello)")
    (theirs_off if ours_off_first else patches.undo)()
    assert vars(greeter)["greet"] is original


def test_a_wrapper_of_the_users_stays_innermost() -> None:
    """A decorator that is no instrumentation is a part of the method."""
    greeter, patches = _greeter(), Patches()
    wrapt.wrap_function_wrapper(greeter, "greet", USERS)
    patches.wrap(greeter, "greet", OURS)
    assert greeter().greet() == "ours(user(hello))"


def _as_mlflow(cls: type[Any]) -> None:
    """Put a function of its own around what it keeps; once more takes what it kept (mlflow/utils/gorilla.py)."""
    kept: Any = vars(cls).get("_gorilla_original_greet", vars(cls)["greet"])
    cls._gorilla_original_greet = kept

    def patched(self: object) -> str:
        return f"mlflow({kept.__get__(self, cls)()})"

    cls.greet = patched


@pytest.mark.parametrize("ours_on_first", [True, False])
def test_what_mlflow_does_again_loses_nothing(*, ours_on_first: bool) -> None:
    """`autolog` called again, and switched off, leaves ours on; ours off leaves DSPy's own function kept."""
    greeter, patches = _greeter(), Patches()
    original = vars(greeter)["greet"]
    steps: list[Callable[[], None]] = [
        lambda: patches.wrap(greeter, "greet", OURS),
        lambda: _as_mlflow(greeter),
    ]
    for step in steps if ours_on_first else reversed(steps):
        step()
    assert greeter().greet() == ("mlflow(ours(hello))" if ours_on_first else "ours(mlflow(hello))")
    _as_mlflow(greeter)
    assert greeter().greet() == "mlflow(ours(hello))"
    patches.undo()
    assert greeter().greet() == "mlflow(hello)"
    assert vars(greeter)["_gorilla_original_greet"] is original
    assert isinstance(original, FunctionType)
