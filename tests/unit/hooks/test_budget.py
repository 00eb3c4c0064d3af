"""Budgets of optimizations on scripted models: warnings, and the end of a compile at its limit."""

from __future__ import annotations

import itertools
import logging
import time
from typing import Any

import dspy
import pytest
from dspy.teleprompt import Teleprompter

from otel_dspy import BudgetExceeded, DSPyInstrumentor, GepaBudgetStopper
from tests.support import gepa_task
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording

TOKENS_OF_A_CALL = 15


def _rounds(rounds: int = 2) -> None:
    with dspy.context(lm=addition_lm()):
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
    with caplog.at_level(logging.WARNING), recording(budget=budget), dspy.context(lm=addition_lm()):
        dspy.Evaluate(devset=examples(5), metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    assert _messages(caplog) == []


def test_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time since the start of the compile is compared at each call."""
    milliseconds = itertools.count()
    monkeypatch.setattr("otel_dspy.telemetry.spans.compile.now", lambda: next(milliseconds) / 1000)
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


class _Asking(Teleprompter):
    """Calls a stop condition twice, with half a second in between."""

    def __init__(self, stopper: GepaBudgetStopper) -> None:
        super().__init__()
        self.stopper = stopper
        self.answers: list[bool] = []

    def compile(self, student: Any, **_kwargs: Any) -> Any:
        self.answers.append(self.stopper(None))
        time.sleep(0.5)
        self.answers.append(self.stopper(None))
        return student


def test_a_stopper_of_several_optimizations() -> None:
    """Its seconds begin anew with each optimization, as its other limits do."""
    optimizer = _Asking(GepaBudgetStopper(seconds=0.5))
    with recording():
        for _ in range(2):
            optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(1))
    assert optimizer.answers == [False, True, False, True]


def test_a_stopper_without_instrumentation(caplog: pytest.LogCaptureFixture) -> None:
    """It reports once that it cannot count."""
    stopper = GepaBudgetStopper(cost=5)
    with caplog.at_level(logging.WARNING):
        assert [stopper(None), stopper(None)] == [False, False]
    assert _messages(caplog) == [
        "DSPy is not instrumented: GepaBudgetStopper cannot count calls and only limits seconds"
    ]
