"""Splits a rejected batch, so that one invalid value does not lose the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.outcome import Outcome
from otel_dspy.mlflow.tracking.run_batch import RunBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_dspy.mlflow.mapping.operations import LogSpan
    from otel_dspy.mlflow.tracking.retry import Retrier

MAX_REJECTED: Final = 32
"""Maximum rejected requests with spans of one trace before the rest of it is given up. Finding one invalid span among a
thousand takes ten.
"""


def send_batch(attempts: Retrier, batch: RunBatch, send: Callable[[RunBatch], None]) -> Iterator[Outcome]:
    """Send a run's batch.

    Args:
        attempts: the retry policy.
        batch: the batch.
        send: sends a batch, or a part of one.

    Yields:
        The outcome of the whole, or of each part that was sent separately.
    """
    if batch.params:
        outcome = attempts.run("parameters and metrics", lambda: send(batch)).outcome
        if outcome is not Outcome.REJECTED:
            yield outcome
            return
        for name, value in batch.params.items():
            yield _send(attempts, f"parameter {name}", RunBatch(params={name: value}), send)
    if batch.points or batch.tags:
        rest = RunBatch(points=batch.points, tags=batch.tags)
        outcome = _send(attempts, "metrics", rest, send)
        parts = list(_parts(rest)) if outcome is Outcome.REJECTED else []
        if len(parts) < 2:  # noqa: PLR2004 - one is the whole
            yield outcome
            return
        for what, part in parts:
            yield _send(attempts, what, part, send)


def _send(attempts: Retrier, what: str, batch: RunBatch, send: Callable[[RunBatch], None]) -> Outcome:
    return attempts.run(what, lambda: send(batch)).outcome


def _parts(batch: RunBatch) -> Iterator[tuple[str, RunBatch]]:
    if batch.tags:
        yield "tags", RunBatch(tags=batch.tags)
    for name in dict.fromkeys(point.name for point in batch.points):
        yield f"metric {name}", RunBatch(points=[point for point in batch.points if point.name == name])


def send_trace(attempts: Retrier, spans: list[LogSpan], send: Callable[[list[LogSpan]], None]) -> Iterator[Outcome]:
    """Send spans of one trace, halving rejected requests down to single spans.

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
        outcome = attempts.run("spans", lambda some=some: send(some)).outcome
        rejected += outcome is Outcome.REJECTED
        if outcome is Outcome.REJECTED and len(some) > 1 and rejected < MAX_REJECTED:
            middle = len(some) // 2
            waiting += [some[middle:], some[:middle]]
        else:
            yield outcome
