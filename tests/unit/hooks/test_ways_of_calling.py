"""Every way of calling a program gives the tree that a plain call gives, below the caller."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import cloudpickle
import dspy
import pytest
from dspy.utils.callback import BaseCallback
from opentelemetry import trace

from tests.support.addition_task import addition_lm, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.span_recorder import recording
from tests.support.streaming_lm import streaming_lm
from tests.support.two_step_programs import Thinking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.span_recorder import Recorder

ALONE = [
    "module Thinking module.name=self",
    "  module Predict module.name=draft",
    "    chat scripted module.name=draft",
    "  module ChainOfThought module.name=final",
    "    module Predict module.name=final.predict",
    "      chat scripted module.name=final.predict",
]
"""What one call of the program gives."""
_dspy: Any = dspy  # annotated in part only


def _tree(recorder: Recorder) -> list[str]:
    """What stands in the user's span; nothing stands elsewhere."""
    lines = recorder.tree("", "module.name")
    assert lines[0] == "the user's own"
    assert [line for line in lines[1:] if not line.startswith("  ")] == []
    return [line.removeprefix("  ") for line in lines[1:]]


def _called(call: Callable[[Any], Any], program: Any = None) -> list[str]:
    with dspy.context(lm=addition_lm()), recording() as recorder:
        tracer = recorder.capture.tracer_provider.get_tracer("user")
        with tracer.start_as_current_span("the user's own"):
            call(program or Thinking())
    return _tree(recorder)


def _configured(program: Any) -> Any:
    before = _dspy.settings.callbacks
    _dspy.configure(callbacks=[BaseCallback()])
    try:
        return program(question="1+1")
    finally:
        _dspy.configure(callbacks=before)


def _in_a_context(program: Any) -> Any:
    with dspy.context(callbacks=[BaseCallback()]):
        return program(question="1+1")


def _as_a_task(program: Any) -> Any:
    return asyncio.run(program.acall(question="1+1"))


def _asyncified(program: Any) -> Any:
    return asyncio.run(_dspy.asyncify(program)(question="1+1"))


def _syncified(program: Any) -> Any:
    return _dspy.syncify(program)(question="1+1")


WAYS: dict[str, Callable[[Any], Any]] = {
    "called": lambda program: program(question="1+1"),
    "dspy.configure(callbacks=…)": _configured,
    "dspy.context(callbacks=…)": _in_a_context,
    "a deep copy": lambda program: copy.deepcopy(program)(question="1+1"),
    "DSPy's own copy": lambda program: program.deepcopy()(question="1+1"),
    "cloudpickled": lambda program: cloudpickle.loads(cloudpickle.dumps(program))(question="1+1"),
    "acall": _as_a_task,
    "dspy.asyncify": _asyncified,
    "dspy.syncify": _syncified,
}


@pytest.mark.parametrize("way", WAYS)
def test_the_tree_is_that_of_a_plain_call(way: str) -> None:
    """However it is called, copied or pickled, its modules have their paths, and it stands in the caller's span."""
    found = _called(WAYS[way])
    assert found == ALONE


class Question(dspy.Signature):
    """A signature that can be pickled: one made of a text cannot, with otel-dspy or without."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


def test_pickled() -> None:
    """A program through `pickle`: its class is found again, and its call is watched."""
    found = _called(lambda program: pickle.loads(pickle.dumps(program))(question="1+1"), dspy.Predict(Question))  # noqa: S301 - our own bytes
    assert found == ["module Predict module.name=self", "  chat scripted module.name=self"]


def test_a_program_saved_whole_and_loaded(tmp_path: Path) -> None:
    """Saved while DSPy is instrumented, loaded and called: the same tree."""

    def call(program: Any) -> None:
        program.save(tmp_path / "program", save_program=True)
        _dspy.load(tmp_path / "program", allow_pickle=True)(question="1+1")

    assert _called(call) == ALONE


@pytest.mark.parametrize("threads", [1, 3])
def test_parallel_and_batch(threads: int) -> None:
    """Each of several calls has the same tree, in the caller's span."""
    inputs = [dspy.Example(question=f"{number}+1").with_inputs("question") for number in range(3)]

    def parallel(program: Any) -> None:
        _dspy.Parallel(num_threads=threads, disable_progress_bar=True)([(program, one) for one in inputs])

    def batch(program: Any) -> None:
        program.batch(inputs, num_threads=threads, disable_progress_bar=True)

    for call in (parallel, batch):
        assert _called(call) == ALONE * 3


def test_streamify() -> None:
    """A streamed call that is read to its end is in the span of its caller."""

    async def read() -> None:
        lm = streaming_lm(dspy_script({"answer": half_right}))
        with dspy.context(lm=lm):
            streamed = _dspy.streamify(dspy.Predict("question -> answer"), is_async_program=True)
            async for _ in streamed(question="1+1"):
                pass

    with recording() as recorder:
        tracer = recorder.capture.tracer_provider.get_tracer("user")
        with tracer.start_as_current_span("the user's own"):
            asyncio.run(read())
    assert _tree(recorder) == ["module Predict module.name=self", "  chat scripted module.name=self"]


class OwnCall(Thinking):
    """A user's class with a `__call__` of its own."""

    def __call__(self, **inputs: Any) -> Any:
        """Ask as every module does, and note it."""
        self.noted = True
        return super().__call__(**inputs)


class Instead(Thinking):
    """One that does without Module's."""

    def __call__(self, **inputs: Any) -> Any:
        """Ask the parts."""
        return cast("Any", self).draft(**inputs)


def test_a_call_of_the_users_own() -> None:
    """One that goes on to Module's has its span once; one that does not has none, and its parts have theirs."""
    assert _called(WAYS["called"], OwnCall()) == [line.replace("Thinking", "OwnCall") for line in ALONE]
    assert _called(WAYS["called"], Instead()) == ["module Predict module.name=self", "  chat scripted module.name=self"]


def _in_threads(*, carried: bool) -> list[str]:
    """Two calls in an executor of the user's own."""
    with recording() as recorder:
        tracer = recorder.capture.tracer_provider.get_tracer("user")
        with tracer.start_as_current_span("the user's own"), ThreadPoolExecutor(2) as pool:

            def ask() -> Any:
                with dspy.context(lm=addition_lm()):
                    return Thinking()(question="1+1")

            for _ in range(2):
                (pool.submit(contextvars.copy_context().run, ask) if carried else pool.submit(ask)).result()
    return recorder.tree("", "module.name")


def test_threads_of_the_users_own() -> None:
    """Python's executor loses the context: each call is a trace of its own; with the context copied it is a child."""
    assert _in_threads(carried=False) == ["the user's own", *ALONE * 2]
    assert _in_threads(carried=True) == ["the user's own", *(f"  {line}" for line in ALONE * 2)]
    assert trace.get_current_span().get_span_context().is_valid is False
