"""Splits a rejected batch of a run, so that one invalid value does not lose the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.runs.run_batch import RunBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_dspy.mlflow.tracking.requests.operation_outcome import Result
    from otel_dspy.mlflow.tracking.requests.retry import Retrier


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
        several = len(batch.params) > 1 or bool(batch.points or batch.tags)
        result = attempts.run("parameters and metrics", lambda: send(batch), divisible=several)
        if not _splits(result):
            yield result.outcome
            return
        for name, value in batch.params.items():
            yield from _send(attempts, f"parameter {name}", RunBatch(params={name: value}), send)
    if batch.points or batch.tags:
        rest = RunBatch(points=batch.points, tags=batch.tags)
        parts = list(_parts(rest))
        result = attempts.run("metrics", lambda: send(rest), divisible=len(parts) > 1 or bool(_halves(rest)))
        if _splits(result) and len(parts) < 2:  # noqa: PLR2004 - one is the whole
            parts = [(parts[0][0], half) for half in _halves(rest)] if result.divisible else []
        if not (_splits(result) and parts):
            yield result.outcome
            return
        for what, part in parts:
            yield from _send(attempts, what, part, send)


def _splits(result: Result[None]) -> bool:
    return (result.outcome is Outcome.REJECTED or result.divisible) and not result.unusable_run


def _send(attempts: Retrier, what: str, batch: RunBatch, send: Callable[[RunBatch], None]) -> Iterator[Outcome]:
    """Send a part, halved as long as it is too large."""
    waiting = [batch]
    while waiting:
        some = waiting.pop()
        halves = _halves(some)
        result = attempts.run(what, lambda some=some: send(some), divisible=bool(halves))
        if result.divisible:
            waiting += reversed(halves)
        else:
            yield result.outcome


def _halves(batch: RunBatch) -> list[RunBatch]:
    """Return the halves of a part with one kind of data; none of a single value."""
    tags, points = list(batch.tags.items()), batch.points
    if points and not tags and len(points) > 1:
        middle = len(points) // 2
        return [RunBatch(points=points[:middle]), RunBatch(points=points[middle:])]
    if tags and not points and len(tags) > 1:
        middle = len(tags) // 2
        return [RunBatch(tags=dict(tags[:middle])), RunBatch(tags=dict(tags[middle:]))]
    return []


def _parts(batch: RunBatch) -> Iterator[tuple[str, RunBatch]]:
    for name, value in batch.tags.items():
        yield f"tag {name}", RunBatch(tags={name: value})
    for name in dict.fromkeys(point.name for point in batch.points):
        yield f"metric {name}", RunBatch(points=[point for point in batch.points if point.name == name])
