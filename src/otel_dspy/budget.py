"""Budget of an optimization: its limits, and the exception that ends an optimization that exceeds one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self, cast

from typing_extensions import override

OnExceeded = Literal["warn", "stop"]
Limit = Literal["cost", "tokens", "lm_calls", "seconds"]

_UNITS: Final[Mapping[Limit, str]] = {
    "cost": "an amount in USD, such as 5.0",
    "tokens": "a number of tokens, such as 2000000",
    "lm_calls": "a number of language model calls, such as 5000",
    "seconds": "a number of seconds, such as 3600",
}
LIMITS: Final[tuple[Limit, ...]] = tuple(_UNITS)
_WHOLE_SECONDS: Final = 100
"""Seconds from which on a time is shown without decimals."""
_WHOLE: Final = frozenset({"tokens", "lm_calls"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one optimization, including the compiles inside it. A limit that is None does not apply.

    Attributes:
        cost: USD, of the calls whose price is known.
        tokens: input and output tokens, as reported by the provider. Answers from DSPy's cache use none.
        lm_calls: calls of language models, including those that DSPy's cache answers.
        seconds: time since the start of the compile.
        on_exceeded: "warn" logs a warning at 80 % of a limit and one when it is reached; "stop" also raises
            `BudgetExceeded` from the next language model call.

    Raises:
        ValueError: a value is invalid. Text of a valid value is read as that value.
    """

    cost: float | None = None
    tokens: int | None = None
    lm_calls: int | None = None
    seconds: float | None = None
    on_exceeded: OnExceeded = "warn"

    def __post_init__(self) -> None:
        """Check the values."""
        for limit in LIMITS:
            if (given := getattr(self, limit)) is not None:
                object.__setattr__(self, limit, read_limit(limit, given))
        object.__setattr__(self, "on_exceeded", read_on_exceeded(self.on_exceeded))

    @classmethod
    def of(cls, value: object) -> Self:
        """Return the budget that a mapping describes; a budget is returned unchanged.

        Args:
            value: a budget, or a mapping from its attributes' names to numbers or to their text.

        Raises:
            ValueError: a key is unknown or a value is invalid. The message names both.
        """
        if isinstance(value, cls):
            return value
        known = [field.name for field in fields(cls)]
        if not isinstance(value, Mapping):
            message = f'{value!r} is not a budget; use a mapping such as {{"cost": 5.0}} with keys {", ".join(known)}'
            raise ValueError(message)  # noqa: TRY004 - a setting of any kind is reported as a ValueError
        given = cast("Mapping[str, object]", value)
        if unknown := sorted(str(name) for name in given if name not in known):
            message = f"a budget has no {', '.join(unknown)}; use {', '.join(known)}"
            raise ValueError(message)
        values = {name: value for name, value in given.items() if value is not None}
        return cls(**cast("dict[str, Any]", values))

    @property
    def limits(self) -> dict[Limit, float]:
        """The limits that apply, by name."""
        found: dict[Limit, float | None] = {limit: getattr(self, limit) for limit in LIMITS}
        return {limit: value for limit, value in found.items() if value is not None}


def read_limit(name: Limit, value: object) -> float:
    """Return a limit as a number.

    Raises:
        ValueError: the value is not a positive number, has a unit, or is not whole where only whole numbers make sense.
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    whole = name in _WHOLE
    if not 0 < number < math.inf or (whole and not number.is_integer()):
        message = f"{name}: {value!r} is not {_UNITS[name]}; use a positive number without a unit"
        raise ValueError(message)
    return int(number) if whole else number


def read_on_exceeded(value: object) -> OnExceeded:
    """Return "warn" or "stop".

    Raises:
        ValueError: the value is neither.
    """
    text = str(value).strip().lower()
    if text == "warn":
        return "warn"
    if text == "stop":
        return "stop"
    message = f"on_exceeded: {value!r} is not an action; use warn or stop"
    raise ValueError(message)


class BudgetExceeded(BaseException):
    """Raised from a language model call of an optimization that has exceeded its budget with `on_exceeded="stop"`.

    It is not an `Exception`, as KeyboardInterrupt is not: DSPy's optimizers and `Evaluate` count an exception of an
    example as a failure and continue.

    Args:
        limit: the exceeded limit: "cost", "tokens", "lm_calls" or "seconds". Each argument is an attribute, too.
        allowed: its value.
        spent: what the optimization has used of it.
        optimizer: name of the optimizer's class.
        compile_id: `dspy.compile.id` of the optimization.
        best_trial: index of the best trial so far; None if no trial has a score by which the optimizer chooses, in
            general one over the whole validation set.
        best_score: its score.
    """

    def __init__(  # noqa: PLR0913 - the attributes
        self,
        *,
        limit: Limit,
        allowed: float,
        spent: float,
        optimizer: str,
        compile_id: str,
        best_trial: int | None = None,
        best_score: float | None = None,
    ) -> None:
        best = "no trial has a full score yet"
        if best_trial is not None:
            best = f"the best program so far is that of trial {best_trial}"
        if best_trial is not None and best_score is not None:
            best += f" with a score of {best_score:g}"
        super().__init__(f"{optimizer} has exceeded its budget: {amount(limit, spent, allowed)}; {best}")
        self.limit = limit
        self.allowed = allowed
        self.spent = spent
        self.optimizer = optimizer
        self.compile_id = compile_id
        self.best_trial = best_trial
        self.best_score = best_score

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the attributes, which the arguments of an exception do not have."""
        return _bare, (type(self), self.args), vars(self)


def _bare(kind: type[BudgetExceeded], args: tuple[object, ...]) -> BudgetExceeded:
    """Return an exception of that text without attributes."""
    return kind.__new__(kind, *args)


def amount(limit: Limit, spent: float, allowed: float) -> str:
    """Return what is spent of a limit as text: `cost 4.1234 of 5 USD`, `1,200 of 1,500 tokens`.

    Args:
        limit: name of the limit, which determines the unit.
        spent: what is used so far.
        allowed: the limit.
    """
    match limit:
        case "cost":
            return f"cost {spent:.4f} of {allowed:g} USD"
        case "seconds":
            # With decimals where "0 of 0.2 seconds" would hide that the limit is reached.
            text = f"{spent:,.0f}" if spent >= _WHOLE_SECONDS else f"{round(spent, 2):g}"
            return f"{text} of {allowed:,g} seconds"
        case _:
            return f"{spent:,.0f} of {allowed:,.0f} {'tokens' if limit == 'tokens' else 'language model calls'}"
