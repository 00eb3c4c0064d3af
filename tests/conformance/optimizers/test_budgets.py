"""The end of each optimizer at the limit of its budget, wherever in the compile that is."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

import dspy
import pytest
from dspy.utils.parallelizer import ParallelExecutor

from otel_dspy import BudgetExceeded, DSPyInstrumentor
from tests.support import gepa_task
from tests.support.addition_task import exact, examples
from tests.support.breakable_optimizations import OPTIMIZATIONS, outcome
from tests.support.breaking_point import BreakingPoint
from tests.support.learning_lm import learning_lm
from tests.support.programs import exit_code
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence


@contextmanager
def _threads(number: int) -> Generator[None]:
    """DSPy's pools have this many threads, whatever the optimizer asks for."""
    create: Any = cast("Any", ParallelExecutor).__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        create(self, *args, **kwargs)
        self.num_threads = number

    with patch.object(ParallelExecutor, "__init__", init):
        yield


@contextmanager
def _pools_ended() -> Generator[None]:
    """Wait for the threads that DSPy's pools have left behind: their spans are still open when a compile has raised."""
    before = set(threading.enumerate())
    try:
        yield
    finally:
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("ThreadPoolExecutor"):
                thread.join(60)


@contextmanager
def _ending(**budget: object) -> Generator[TelemetryCapture]:
    """Instrument DSPy with a budget at which the compile ends; waits for the threads that it leaves behind."""
    capture = TelemetryCapture()
    DSPyInstrumentor().instrument(**cast("Any", capture.providers), budget={**budget, "on_exceeded": "stop"})
    try:
        with _pools_ended():
            yield capture
    finally:
        DSPyInstrumentor().uninstrument()


def compile_ends_at_its_limit(threads: int) -> None:
    """A compile makes as many calls as allowed and no more; its span ends with the exception."""
    calls, lock = [0], threading.Lock()

    def count() -> None:
        with lock:
            calls[0] += 1

    optimizer = dspy.BootstrapFewShotWithRandomSearch(
        exact, num_candidate_programs=2, num_threads=threads, max_bootstrapped_demos=1, max_labeled_demos=1
    )
    with (
        _ending(lm_calls=30) as capture,
        dspy.context(lm=learning_lm(before=count)),
        pytest.raises(BudgetExceeded) as raised,
    ):
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(12))
    assert (raised.value.limit, raised.value.spent, raised.value.allowed) == ("lm_calls", 30, 30)
    assert (raised.value.optimizer, raised.value.best_trial) == ("BootstrapFewShotWithRandomSearch", 1)
    assert calls == [30]
    # What DSPy's threads begin afterwards has no span.
    failed = [span for span in capture.spans if span.name.startswith("example") and not span.status.is_ok]
    assert 1 <= len(failed) <= threads
    (compiling,) = [span for span in capture.spans if span.name == "compile BootstrapFewShotWithRandomSearch"]
    assert compiling.status.description == str(raised.value)
    assert compiling.attributes is not None
    assert compiling.attributes["error.type"] == "otel_dspy.budget.BudgetExceeded"
    assert compiling.attributes["dspy.compile.id"] == raised.value.compile_id


def test_a_compile_ends_at_its_limit() -> None:
    """With a single thread."""
    compile_ends_at_its_limit(1)


def _gepa(_: BreakingPoint) -> object:
    return gepa_task.optimize()


def ends_at_several_calls(name: str, threads: int, shares: Sequence[float]) -> None:
    """An optimization ends at its limit: at these shares of its calls."""
    optimize = OPTIMIZATIONS.get(name, _gepa)
    with _ending(lm_calls=10_000) as capture, _threads(threads):
        outcome(optimize, BreakingPoint())
    all_calls = _most_calls(capture)
    for allowed in sorted({max(1, int(all_calls * share)) for share in shares}):
        with _ending(lm_calls=allowed) as capture, _threads(threads):
            found = outcome(optimize, BreakingPoint())
        assert found[0] is BudgetExceeded, (name, allowed)
        assert _most_calls(capture) <= allowed, (name, allowed)


def _most_calls(capture: TelemetryCapture) -> int:
    compiles: list[Any] = [span.attributes for span in capture.spans if span.name.startswith("compile")]
    return max(found["dspy.usage.lm_calls"] for found in compiles)


ALL: Final = (*OPTIMIZATIONS, "GEPA")


@pytest.mark.parametrize("name", ALL)
def test_each_optimizer_ends_at_its_limit(name: str) -> None:
    """No optimizer of DSPy continues after the exception."""
    ends_at_several_calls(name, 1, (0, 0.5, 0.9))


def with_eight_threads() -> None:
    """The program of the next test."""
    compile_ends_at_its_limit(8)
    for name in ALL:
        ends_at_several_calls(name, 8, (0.6,))


def test_each_optimizer_ends_at_its_limit_with_eight_threads() -> None:
    """As exactly.

    In a process of its own: a call in another thread may be counted before the end of the evaluation and end after it,
    which the checks of the contract do not expect.
    """
    assert exit_code(with_eight_threads) == 0
