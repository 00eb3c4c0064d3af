"""Outcome of an operation on MLflow after its last attempt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Outcome(Enum):
    """Whether an operation succeeded."""

    DONE = "done"
    REJECTED = "rejected"
    """Permanently rejected by MLflow."""
    FAILED = "failed"
    """The server failed at this operation while it accepts others: a later attempt may succeed."""


@dataclass(frozen=True, slots=True)
class Result(Generic[Value]):
    """Outcome of an operation.

    Attributes:
        outcome: whether it succeeded.
        value: what the operation returned; None unless it is done.
        unusable_run: the run accepts no further data, so that no part of the operation would be accepted either.
        divisible: whether parts of an operation that failed, or was rejected for its size, may succeed.
    """

    outcome: Outcome
    value: Value | None = None
    unusable_run: bool = False
    divisible: bool = False
