"""No wrapper of DSPy's functions leaves its frame in a traceback, whichever it is."""

from __future__ import annotations

import ast
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dspy
import pytest

import otel_dspy.hooks
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOOKS = Path(str(otel_dspy.hooks.__file__)).parent
ORIGINAL = {"wrapped", "called"}
"""Names of a wrapper's first parameter: the function that it calls."""
HIDING = {"hidden_frame", "hook"}
"""Context managers that remove the frame they are in (`CallHook`, `hidden_frame`)."""
DROPPING = {"drop_caller_frame(error)", "hook.leave(error)"}
"""Calls that do the same in an `except BaseException as error` that ends with a bare `raise`."""


def _no_answer(_messages: object) -> str:
    raise ConnectionError("no line")


def _batch() -> None:
    dspy.Predict("question -> answer").batch(
        [dspy.Example(question="1+1").with_inputs("question")], num_threads=1, max_errors=1, disable_progress_bar=True
    )


def _parallel() -> None:
    program = dspy.Predict("question -> answer")
    dspy.Parallel(num_threads=2, max_errors=1, disable_progress_bar=True)([(program, {"question": "1+1"})] * 2)


def _evaluate() -> None:
    devset = [dspy.Example(question="1+1").with_inputs("question")]
    evaluate: Any = dspy.Evaluate(devset=devset, metric=bool, num_threads=1, max_errors=1, display_progress=False)
    evaluate(dspy.Predict("question -> answer"))


def _optimize() -> None:
    optimizer: Any = dspy.MIPROv2(metric=bool, auto=None)
    optimizer.compile(dspy.Predict("question -> answer"), trainset=[], num_trials=1)


@pytest.mark.parametrize("call", [_batch, _parallel, _evaluate, _optimize])
def test_what_a_call_raises_has_the_frames_that_it_has_without_instrumentation(call: Callable[[], None]) -> None:
    """An agent passes the traceback of a tool to its model, which could be such a call."""

    def frames() -> list[tuple[str, str]]:
        lm = in_process_lm(_no_answer)
        with dspy.context(lm=lm), pytest.raises(Exception) as raised:  # noqa: PT011 - only its frames matter
            call()
        return [(frame.filename, frame.name) for frame in traceback.extract_tb(raised.value.__traceback__)]

    without = frames()
    with recording():
        assert frames() == without


def _unhidden(node: ast.AST, *, hidden: bool = False, wrapper: bool = False) -> Iterator[int]:
    """Lines at which a wrapper calls its original outside of a block that hides its frame."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        wrapper = bool(node.args.args) and node.args.args[0].arg in ORIGINAL
        hidden = False
    elif isinstance(node, ast.With):
        hidden = hidden or any(ast.unparse(item.context_expr) in HIDING for item in node.items)
    elif isinstance(node, ast.Call) and wrapper and not hidden and ast.unparse(node.func) in ORIGINAL:
        yield node.lineno
    for child in ast.iter_child_nodes(node):
        caught = isinstance(node, ast.Try) and child in node.body and any(map(_drops_frame, node.handlers))
        yield from _unhidden(child, hidden=hidden or caught, wrapper=wrapper)


def _drops_frame(handler: ast.ExceptHandler) -> bool:
    catches_all = handler.type is not None and ast.unparse(handler.type) == "BaseException"
    *steps, last = map(ast.unparse, handler.body)
    return catches_all and handler.name == "error" and last == "raise" and not DROPPING.isdisjoint(steps)


@pytest.mark.parametrize("path", sorted(HOOKS.rglob("*.py")), ids=lambda path: path.relative_to(HOOKS).as_posix())
def test_every_wrapper_hides_its_frame(path: Path) -> None:
    """Wrappers of functions that raise in no test too."""
    assert list(_unhidden(ast.parse(path.read_text(encoding="utf-8")))) == []
