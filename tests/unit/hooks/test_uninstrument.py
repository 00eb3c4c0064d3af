"""`uninstrument()` leaves DSPy exactly as it was."""

from __future__ import annotations

import pkgutil
import sys
from typing import Any

import dspy
import dspy.teleprompt
from dspy.teleprompt import Teleprompter

from otel_dspy import DSPyInstrumentor
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording


def _everything() -> dict[tuple[str, str], Any]:
    """Every attribute of every module of DSPy and of every class in them."""
    found: dict[tuple[str, str], Any] = {}
    for name, module in list(sys.modules.items()):
        if name != "dspy" and not name.startswith("dspy."):
            continue
        for key, value in vars(module).items():
            if key.startswith("__"):
                continue
            found[name, key] = value
            if isinstance(value, type) and value.__module__.startswith("dspy"):
                for attribute, own in vars(value).items():
                    if attribute not in {"__dict__", "__weakref__", "__doc__", "__abstractmethods__", "_abc_impl"}:
                        found[f"{value.__module__}.{value.__qualname__}", attribute] = own
    return found


def test_every_attribute_is_back() -> None:
    """Not one attribute of a module or class of DSPy differs after `uninstrument()`, nor is one more or fewer there."""
    for module in pkgutil.iter_modules(dspy.teleprompt.__path__):
        if module.name not in {"signature_opt", "avatar_optimizer"}:
            __import__(f"dspy.teleprompt.{module.name}")
    with recording():
        pass  # imports what is listened to, and DSPy doesn't import by itself
    before = _everything()
    with recording():
        during = _everything()
    after = _everything()
    changed = {key for key in before if during[key] is not before[key]}
    assert ("dspy.primitives.module.Module", "__call__") in changed
    assert set(after) == set(before)
    assert {key for key in before if after[key] is not before[key]} == set()


def test_a_class_defined_meanwhile_is_itself_again() -> None:
    """An optimizer that was defined while instrumented is unwrapped too, and records nothing afterwards."""
    with recording() as recorder:

        class Meanwhile(Teleprompter):
            def compile(self, student: Any, *, trainset: list[Any], **_kwargs: Any) -> Any:
                dspy.Evaluate(devset=trainset, metric=exact, num_threads=1)(student)
                return student

        wrapped = vars(Meanwhile)["compile"]
    assert vars(Meanwhile)["compile"] is wrapped.__wrapped__
    with dspy.context(lm=addition_lm()):
        Meanwhile().compile(dspy.Predict("question -> answer"), trainset=examples(1))
    assert list(recorder.spans) == []


def test_instrumenting_again_records_once() -> None:
    """After instrument, uninstrument, instrument a call has one span of each kind."""
    with recording():
        pass
    with dspy.context(lm=addition_lm()), recording() as recorder:
        dspy.Predict("question -> answer")(question="1+1")
    assert [span.name for span in recorder.spans] == ["chat scripted", "module Predict"]
    assert DSPyInstrumentor().tracer_provider is None
