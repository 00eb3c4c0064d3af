"""Splits a rejected batch of spans, so that one that is invalid or too large does not lose the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan
    from otel_dspy.mlflow.tracking.requests.retry import Retrier

MAX_REJECTED: Final = 32
"""Maximum requests with spans of one trace that are rejected or too large before the rest of it is given up. Finding
one such span among a thousand takes ten. Requests that were rejected for their size do not count: all parts of
these may be accepted.
"""


def send_trace(attempts: Retrier, spans: list[LogSpan], send: Callable[[list[LogSpan]], None]) -> Iterator[Outcome]:
    """Send spans of one trace, halving requests that are rejected or too large down to single spans.

    Args:
        attempts: the retry policy.
        spans: the spans.
        send: sends spans in one request.

    Yields:
        The outcome of each part.
    """
    waiting, rejected = [spans], 0
    while waiting:
        some = waiting.pop()
        result = attempts.run("spans", lambda some=some: send(some), divisible=len(some) > 1)
        outcome = result.outcome
        splits = outcome is Outcome.REJECTED or result.divisible
        rejected += splits and not (outcome is Outcome.REJECTED and result.divisible)
        if splits and len(some) > 1 and rejected < MAX_REJECTED:
            middle = len(some) // 2
            waiting += [some[middle:], some[:middle]]
        else:
            yield outcome
