"""Enforcement of an optimization's budget: compares its usage totals with the limits before each LM call."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from otel_dspy.budget import BudgetExceeded, amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.budget import Budget, Limit
    from otel_dspy.telemetry.tallies.leaderboard import Leaderboard
    from otel_dspy.telemetry.tallies.usage_tally import UsageTally

_logger = logging.getLogger("otel_dspy.budget")
_NEAR: Final = 0.8
"""Share of a limit at which the first warning is logged."""


class CompileBudget:
    """Budget of an open outermost compile. Thread-safe.

    Args:
        budget: the limits.
        usage: totals of the compile, which include those of nested compiles.
        clock: time of a monotonic clock in seconds.
        optimizer: name of the optimizer's class.
        compile_id: `dspy.compile.id`.
        leaderboard: scores of the compile's trials.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a compile's parts
        self,
        budget: Budget,
        usage: UsageTally,
        clock: Callable[[], float],
        optimizer: str,
        compile_id: str,
        leaderboard: Leaderboard,
    ) -> None:
        self._limits = budget.limits
        self._stops = budget.on_exceeded == "stop"
        self._usage = usage
        self._clock = clock
        self._started = clock()
        self._optimizer = optimizer
        self._compile_id = compile_id
        self._leaderboard = leaderboard
        self._lock = threading.Lock()
        self._calls = 0
        """Number of LM calls that have started; the totals count a call when it ends."""
        self._warned: set[str] = set()
        self._reached: tuple[Limit, float] | None = None
        """The limit that has ended the compile, and what is spent of it."""

    def before_call(self) -> None:
        """Count an LM call that is about to start.

        Raises:
            BudgetExceeded: a limit is reached and `on_exceeded` is "stop". The call is not counted then.
        """
        with self._lock:
            exceeded = self._check()
            if exceeded is None or not self._stops:
                self._calls += 1
                return
            self._reached = self._reached or exceeded
        self.raise_if_stopped()

    def raise_if_stopped(self) -> None:
        """Raise in what DSPy's threads begin after the budget has ended the compile.

        Raises:
            BudgetExceeded: an LM call has been stopped.
        """
        if self._reached is None:
            return
        limit, spent = self._reached
        best = self._leaderboard.best_until_stop
        raise BudgetExceeded(
            limit=limit,
            allowed=self._limits[limit],
            spent=spent,
            optimizer=self._optimizer,
            compile_id=self._compile_id,
            best_trial=None if best is None else best.index,
            best_score=None if best is None else best.score,
        )

    def ended(self) -> None:
        """Log what the last calls have reached, at the end of the compile."""
        with self._lock:
            self._check()

    def _check(self) -> tuple[Limit, float] | None:
        """Log new warnings; return the first limit that is reached, with what is spent of it."""
        exceeded: tuple[Limit, float] | None = None
        spent = self._usage.spent()
        for limit, allowed in self._limits.items():
            match limit:
                case "cost":
                    value = spent.cost
                    self._warn_of_unpriced(spent.unpriced_calls)
                case "tokens":
                    value = spent.tokens
                case "lm_calls":
                    value = self._calls
                case "seconds":
                    value = self._clock() - self._started
            if value >= allowed:
                exceeded = exceeded or (limit, value)
                self._warn_once(f"{limit} exceeded", limit, value, "has exceeded its budget")
            elif value >= _NEAR * allowed:
                self._warn_once(f"{limit} near", limit, value, f"has used {_NEAR:.0%} of its budget")
        return exceeded

    def _warn_once(self, key: str, limit: Limit, value: float, what: str) -> None:
        if key in self._warned:
            return
        self._warned.add(key)
        consequence = ""
        if key.endswith("exceeded"):
            consequence = "; it ends before the next call" if self._stops else '; it continues (on_exceeded="warn")'
        _logger.warning("%s %s: %s%s", self._optimizer, what, amount(limit, value, self._limits[limit]), consequence)

    def _warn_of_unpriced(self, calls: int) -> None:
        if calls and "unpriced" not in self._warned:
            self._warned.add("unpriced")
            _logger.warning(
                "%s calls a language model whose price is unknown: the cost budget does not include its calls. Add a "
                "limit of tokens or lm_calls.",
                self._optimizer,
            )
