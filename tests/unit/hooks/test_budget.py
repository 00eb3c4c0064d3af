"""Budgets of optimizations on scripted models: warnings, and the end of a compile at its limit."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

import dspy
import pytest
from dspy.utils.parallelizer import ParallelExecutor

from otel_dspy import BudgetExceeded, DSPyInstrumentor, GepaBudgetStopper
from tests.support import gepa_task
from tests.support.breakable_optimizations import OPTIMIZATIONS, outcome
from tests.support.breaking_point import BreakingPoint
from tests.support.learning_lm import learning_lm
from tests.support.optimizers import Rounds
from tests.support.programs import exit_code
from tests.support.span_recorder import recording
from tests.support.sums import exact, examples, sums_lm
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

TOKENS_OF_A_CALL = 15


def _rounds(rounds: int = 2) -> None:
    with dspy.context(lm=sums_lm()):
        Rounds(exact, rounds).compile(dspy.Predict("question -> answer"), trainset=examples(5))


def _messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "otel_dspy.budget"]


def test_a_budget_only_warns(caplog: pytest.LogCaptureFixture) -> None:
    """At 80 % and at the limit, once each; all ten calls are made. Another optimization has its own budget."""
    with caplog.at_level(logging.WARNING), recording(budget={"tokens": 6 * TOKENS_OF_A_CALL}) as recorder:
        _rounds()
        _rounds(rounds=1)
    assert _messages(caplog) == [
        "Rounds has used 80% of its budget: 75 of 90 tokens",
        'Rounds has exceeded its budget: 90 of 90 tokens; it continues (on_exceeded="warn")',
        "Rounds has used 80% of its budget: 75 of 90 tokens",
    ]
    assert [found["usage.lm_calls"] for found in recorder.attributes_of("compile")] == [10, 5]


def test_calls_outside_an_optimization_have_no_budget(caplog: pytest.LogCaptureFixture) -> None:
    """An evaluation is not ended."""
    budget = {"lm_calls": 2, "on_exceeded": "stop"}
    with caplog.at_level(logging.WARNING), recording(budget=budget), dspy.context(lm=sums_lm()):
        dspy.Evaluate(devset=examples(5), metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    assert _messages(caplog) == []


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


def test_seconds() -> None:
    """The time since the start of the compile is compared at each call."""
    with (
        recording(budget={"seconds": 1e-6, "on_exceeded": "stop"}) as recorder,
        pytest.raises(BudgetExceeded, match=r"Rounds has exceeded its budget: 0 of 1e-06 seconds; no trial has"),
    ):
        _rounds()
    assert recorder.attributes_of("compile")[0]["usage.lm_calls"] == 0


def test_a_cost_that_cannot_be_counted_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A model without a known price: one warning, and no end."""
    with caplog.at_level(logging.WARNING), recording(budget={"cost": 0.01, "on_exceeded": "stop"}):
        _rounds()
    assert _messages(caplog) == [
        (
            "Rounds calls a language model whose price is unknown: the cost budget does not include its calls. Add a "
            "limit of tokens or lm_calls."
        )
    ]


def test_a_budget_that_is_replaced() -> None:
    """The next optimization has the new one; an empty mapping removes it."""
    with recording(budget={"lm_calls": 1, "on_exceeded": "stop"}):
        DSPyInstrumentor().use_budget({"lm_calls": 3, "on_exceeded": "stop"})
        with pytest.raises(BudgetExceeded, match="3 of 3 language model calls"):
            _rounds()
        DSPyInstrumentor().use_budget({})
        _rounds()


def test_gepa_stops_at_the_cost_of_a_role() -> None:
    """GEPA returns its best candidate after the second reflection, and the stopper works without a limit of metrics."""
    stopper = GepaBudgetStopper(lm_calls=2, roles=["reflection"])
    with recording() as recorder:
        program = gepa_task.optimize(max_metric_calls=500, gepa_kwargs={"stop_callbacks": [stopper]})
    assert program.detailed_results.best_idx >= 0
    (compiling,) = recorder.attributes_of("compile GEPA")
    assert compiling["usage.role.reflection.lm_calls"] == 2
    assert "error.type" not in compiling


def test_a_stopper_without_instrumentation(caplog: pytest.LogCaptureFixture) -> None:
    """It reports once that it cannot count."""
    stopper = GepaBudgetStopper(cost=5)
    with caplog.at_level(logging.WARNING):
        assert [stopper(None), stopper(None)] == [False, False]
    assert _messages(caplog) == [
        "DSPy is not instrumented: GepaBudgetStopper cannot count calls and only limits seconds"
    ]
