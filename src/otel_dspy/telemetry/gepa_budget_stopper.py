"""Stop condition for GEPA by cost, tokens, calls and time, in total or of some roles."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast, get_args

from otel_dspy.budget import Budget, amount
from otel_dspy.telemetry.call_context import current_call_context
from otel_dspy.telemetry.tallies.lm_roles import Role

if TYPE_CHECKING:
    from collections.abc import Collection

_logger = logging.getLogger("otel_dspy.budget")
_ROLES: Final[tuple[Role, ...]] = get_args(Role)


class GepaBudgetStopper:
    """Stop condition for `gepa_kwargs={"stop_callbacks": …}` of `dspy.GEPA`, and for `gepa.optimize`.

    GEPA calls it between two iterations and then returns its best candidate: nothing is raised, and the iteration that
    reaches the limit is completed. It uses the totals that otel-dspy records: if DSPy is not instrumented, a warning is
    logged and only `seconds` is limited.

    Args:
        cost: USD, of the calls whose price is known.
        tokens: input and output tokens, as reported by the provider.
        lm_calls: calls of language models, including those that DSPy's cache answers.
        seconds: time since the first call of the stopper in the optimization.
        roles: roles whose calls count (`task`, `reflection`, `judge`, `prompt`); None: all.

    Raises:
        ValueError: a limit or a role is invalid, or there is no limit.
    """

    def __init__(
        self,
        *,
        cost: float | None = None,
        tokens: int | None = None,
        lm_calls: int | None = None,
        seconds: float | None = None,
        roles: Collection[Role] | None = None,
    ) -> None:
        given = {"cost": cost, "tokens": tokens, "lm_calls": lm_calls, "seconds": seconds}
        self._limits = Budget.of(given).limits
        if not self._limits:
            message = "GepaBudgetStopper needs a limit: cost, tokens, lm_calls or seconds"
            raise ValueError(message)
        if roles is not None and not _are_roles(roles):
            message = f"roles: {roles!r} is not a list of {', '.join(_ROLES)}"
            raise ValueError(message)
        self._roles = None if roles is None else frozenset(roles)
        self._compile_id: str | None = None
        self._started: float | None = None
        self._warned = False

    def __call__(self, gepa_state: object) -> bool:
        """Return whether a limit is reached. GEPA's state is not used."""
        del gepa_state
        now = time.monotonic()
        scope = current_call_context().compile
        compile_id = None if scope is None else scope.id
        if self._started is None or compile_id != self._compile_id:
            self._started, self._compile_id = now, compile_id
        if scope is None:
            self._warn("DSPy is not instrumented: GepaBudgetStopper cannot count calls and only limits seconds")
        spent = None if scope is None else scope.usage.spent(self._roles)
        if spent is not None and spent.unpriced_calls and "cost" in self._limits:
            self._warn(
                "GEPA calls a language model whose price is unknown: the cost limit does not include its calls. Add a "
                "limit of tokens or lm_calls."
            )
        for limit, allowed in self._limits.items():
            if limit == "seconds":
                value = now - self._started
            else:
                value = 0.0 if spent is None else float(getattr(spent, limit))
            if value >= allowed:
                _logger.info("GEPA stops at its budget: %s", amount(limit, value, allowed))
                return True
        return False

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            _logger.warning(message)


def _are_roles(value: object) -> bool:
    # A caller without a type checker may pass anything.
    if isinstance(value, str) or not isinstance(value, Iterable):
        return False
    given = list(cast("Iterable[object]", value))
    return bool(given) and all(one in _ROLES for one in given)
