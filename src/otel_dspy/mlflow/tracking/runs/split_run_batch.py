"""Splits a rejected batch of a run, so that one invalid value does not lose the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.runs.run_batch import RunBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        result = attempts.run("parameters and metrics", lambda: send(batch))
        if result.outcome is not Outcome.REJECTED or result.unusable_run:
            yield result.outcome
            return
        for name, value in batch.params.items():
            yield _send(attempts, f"parameter {name}", RunBatch(params={name: value}), send)
    if batch.points or batch.tags:
        rest = RunBatch(points=batch.points, tags=batch.tags)
        result = attempts.run("metrics", lambda: send(rest))
        parts = list(_parts(rest)) if result.outcome is Outcome.REJECTED and not result.unusable_run else []
        if len(parts) < 2:  # noqa: PLR2004 - one is the whole
            yield result.outcome
            return
        for what, part in parts:
            yield _send(attempts, what, part, send)


def _send(attempts: Retrier, what: str, batch: RunBatch, send: Callable[[RunBatch], None]) -> Outcome:
    return attempts.run(what, lambda: send(batch)).outcome


def _parts(batch: RunBatch) -> Iterator[tuple[str, RunBatch]]:
    for name, value in batch.tags.items():
        yield f"tag {name}", RunBatch(tags={name: value})
    for name in dict.fromkeys(point.name for point in batch.points):
        yield f"metric {name}", RunBatch(points=[point for point in batch.points if point.name == name])
