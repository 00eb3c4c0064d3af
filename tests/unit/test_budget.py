"""Budgets as values: from mappings and from the environment, and what is refused."""

from __future__ import annotations

import copy
import logging
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from otel_dspy import Budget, BudgetExceeded, DSPyInstrumentor, GepaBudgetStopper
from otel_dspy.budget import amount
from otel_dspy.mlflow import autolog
from otel_dspy.settings import SettingError, Settings


def test_a_budget_from_a_mapping() -> None:
    """Texts are read as numbers, counts as whole numbers; what is not named has no limit."""
    settings = Settings.resolve({"budget": {"cost": "5", "tokens": 2e6, "on_exceeded": "STOP"}}, {})
    assert settings.budget == Budget(cost=5.0, tokens=2_000_000, on_exceeded="stop")
    assert settings.budget is not None
    assert settings.budget.limits == {"cost": 5.0, "tokens": 2_000_000}
    assert Settings.resolve({"budget": settings.budget}, {}).budget is settings.budget


def test_a_budget_from_the_environment() -> None:
    """One variable for each limit; the keyword replaces all of them."""
    environment = {
        "OTEL_DSPY_BUDGET_COST": "2.5",
        "OTEL_DSPY_BUDGET_LM_CALLS": "1_000",
        "OTEL_DSPY_BUDGET_SECONDS": " 60 ",
        "OTEL_DSPY_BUDGET_ON_EXCEEDED": "stop",
    }
    assert Settings.resolve({}, environment).budget == Budget(cost=2.5, lm_calls=1000, seconds=60, on_exceeded="stop")
    assert Settings.resolve({"budget": {"tokens": 5}}, environment).budget == Budget(tokens=5)
    assert Settings.resolve({}, {}).budget is None


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"cost": -1}, "cost: -1 is not an amount in USD, such as 5.0; use a positive number without a unit"),
        ({"cost": "5 USD"}, "cost: '5 USD' is not an amount in USD"),
        ({"cost": True}, "cost: True is not an amount in USD"),
        ({"cost": float("nan")}, "cost: nan is not an amount in USD"),
        ({"tokens": 10**400}, f"tokens: {10**400} is not a number of tokens"),
        ({"tokens": "2M"}, "tokens: '2M' is not a number of tokens"),
        ({"tokens": 1.5}, "tokens: 1.5 is not a number of tokens"),
        ({"lm_calls": 0}, "lm_calls: 0 is not a number of language model calls"),
        ({"seconds": "10m"}, "seconds: '10m' is not a number of seconds"),
        ({"dollars": 5}, "a budget has no dollars; use cost, tokens, lm_calls, seconds, on_exceeded"),
        ({"cost": 5, "on_exceeded": "kill"}, "on_exceeded: 'kill' is not an action; use warn or stop"),
        (5.0, "5.0 is not a budget; use a mapping"),
    ],
)
def test_a_bad_budget_is_refused_by_name(budget: Any, message: str) -> None:
    """By `instrument` and by `autolog`, before anything is instrumented."""
    with pytest.raises(SettingError, match=re.escape(f"instrument(budget=...): {message}")):
        DSPyInstrumentor().instrument(budget=budget)
    with pytest.raises(SettingError, match=re.escape(message)):
        autolog(budget=budget)
    assert not DSPyInstrumentor().is_instrumented_by_opentelemetry


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"cost": -1}, "cost: -1 is not an amount in USD"),
        ({"cost": "5 USD"}, "cost: '5 USD' is not an amount in USD"),
        ({"tokens": 1.5}, "tokens: 1.5 is not a number of tokens"),
        ({"lm_calls": 5, "on_exceeded": "kill"}, "on_exceeded: 'kill' is not an action; use warn or stop"),
    ],
)
def test_a_bad_budget_cannot_be_made(limits: Any, message: str) -> None:
    """A `Budget` has the checks of a mapping, and reads the same texts."""
    with pytest.raises(ValueError, match=re.escape(message)):
        Budget(**limits)
    read: Any = {"cost": "5", "tokens": 2e6, "on_exceeded": "STOP"}
    assert Budget(**read) == Budget.of(read)


@pytest.mark.parametrize("text", ["5 USD", "-1", "inf"])
def test_a_bad_variable_is_logged_and_ignored(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """The other limits apply."""
    environment = {"OTEL_DSPY_BUDGET_COST": text, "OTEL_DSPY_BUDGET_TOKENS": "7"}
    with caplog.at_level(logging.WARNING):
        assert Settings.resolve({}, environment).budget == Budget(tokens=7)
    assert "OTEL_DSPY_BUDGET_COST: cost: " in caplog.text


def test_the_exception_is_not_an_ordinary_one() -> None:
    """`except Exception` does not catch it; its text has the limit, what is spent and the best trial."""
    error = BudgetExceeded(
        limit="cost", allowed=5, spent=5.0123, optimizer="COPRO", compile_id="c1", best_trial=3, best_score=65.0
    )
    assert not isinstance(error, Exception)
    assert str(error) == (
        "COPRO has exceeded its budget: cost 5.0123 of 5 USD; the best program so far is that of trial 3 with a score "
        "of 65"
    )


def _exceed() -> None:
    raise BudgetExceeded(
        limit="lm_calls", allowed=5, spent=5, optimizer="COPRO", compile_id="c1", best_trial=3, best_score=65.0
    )


def test_the_exception_reaches_another_process() -> None:
    """It is copied and pickled with its attributes: a pool of processes raises it where its result is read."""
    with pytest.raises(BudgetExceeded) as raised:
        _exceed()
    raised.value.add_note("of the first worker")
    for copied in (copy.copy(raised.value), pickle.loads(pickle.dumps(raised.value))):  # noqa: S301 - our own bytes
        assert isinstance(copied, BudgetExceeded)
        assert str(copied) == str(raised.value)
        assert vars(copied) == vars(raised.value)
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool, pytest.raises(BudgetExceeded) as passed:
        pool.submit(_exceed).result()
    assert (passed.value.limit, passed.value.best_trial) == ("lm_calls", 3)


@pytest.mark.parametrize(
    "given",
    [{}, {"cost": -1}, {"cost": 1, "roles": ["tasks"]}, {"cost": 1, "roles": "task"}, {"cost": 1, "roles": []}],
)
def test_a_bad_stopper_is_refused(given: Any) -> None:
    """Without a limit, with a wrong one, with an unknown role, with roles of which there are none."""
    with pytest.raises(ValueError, match=r"GepaBudgetStopper needs a limit|cost: -1|roles: "):
        GepaBudgetStopper(**given)


@pytest.mark.parametrize(
    ("spent", "allowed", "text"),
    [(0.2313, 0.2, "0.23 of 0.2 seconds"), (2.0, 2, "2 of 2 seconds"), (3601.7, 3600, "3,602 of 3,600 seconds")],
)
def test_seconds_of_a_message(spent: float, allowed: float, text: str) -> None:
    """What is spent of a short limit is shown with decimals."""
    assert amount("seconds", spent, allowed) == text
