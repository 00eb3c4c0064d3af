"""Acknowledgment of a request: once MLflow has stored it, or once it is in the queue on disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from otel_dspy.bridge.delivery import Delivery, Written
from otel_dspy.bridge.durable_queue.queue_error import QueueError

if TYPE_CHECKING:
    from otel_dspy.bridge.durable_queue.durable_queue import DurableQueue
    from otel_dspy.bridge.metrics import Metrics
    from otel_dspy.bridge.pending_request import PendingRequest
    from otel_dspy.bridge.request_writer import RequestWriter


@dataclass(frozen=True, slots=True)
class Retry:
    """Request to the client to send the spans again.

    Attributes:
        message: the reason.
        unmapped: (trace id, span id) of spans whose mapping raised.
    """

    message: str
    unmapped: frozenset[tuple[str, str]] = frozenset()


class Acknowledgment(Protocol):
    """Accepts requests."""

    async def accept(self, request: PendingRequest) -> Written | Retry:
        """Wait until a checked request is safe; return the outcome, or why the client should retry."""
        ...


class AfterCommit:
    """Acknowledges a request once MLflow has stored it."""

    def __init__(self, writer: RequestWriter, metrics: Metrics, patience: float) -> None:
        """Create an acknowledgment by the writer.

        Args:
            writer: delivers spans to MLflow.
            metrics: records spans that clients have to send again.
            patience: seconds that a request waits.
        """
        self._writer = writer
        self._metrics = metrics
        self._patience = patience

    async def accept(self, request: PendingRequest) -> Written | Retry:
        """Submit a request to the writer and wait for it; return the outcome, or why the client should retry."""
        delivery = Delivery(request, len(request.body))
        unmapped: frozenset[tuple[str, str]] = frozenset()
        if not self._writer.submit(delivery):
            reason, answer = "no room", "the bridge's queue is full; send the request again"
        else:
            ended = asyncio.wrap_future(delivery.done)
            await asyncio.wait({ended}, timeout=self._patience)
            if not ended.done() or ended.cancelled():
                # A delivery that has not started is skipped: the client sends it again.
                ended.cancel()
                reason = "MLflow is slow"
                answer = f"MLflow did not store the request within {self._patience:g} s; send it again"
            elif ended.result().again:
                reason, answer = "MLflow failed", "MLflow failed to store a part of the request; send it again"
                unmapped = ended.result().unmapped
            else:
                return ended.result()
        self._metrics.rejected(reason, len(request))
        return Retry(answer, unmapped)


class AfterQueueing:
    """Acknowledges a request once the queue has it on disk."""

    def __init__(self, queue: DurableQueue, metrics: Metrics, patience: float) -> None:
        """Create an acknowledgment by the queue on disk.

        Args:
            queue: stores requests.
            metrics: records spans that clients have to send again.
            patience: seconds that a request waits.
        """
        self._queue = queue
        self._metrics = metrics
        self._patience = patience

    async def accept(self, request: PendingRequest) -> Written | Retry:
        """Store a request and wait for the disk; return an empty outcome, or why the client should retry."""
        stored = self._queue.append(request)
        if stored is None:
            reason, answer = "no room", "the bridge's queue is full; send the request again"
        else:
            try:
                async with asyncio.timeout(self._patience):
                    await asyncio.wrap_future(stored)
            except TimeoutError:
                reason = "the disk is slow"
                answer = f"the bridge did not store the request within {self._patience:g} s; send it again"
            except QueueError:
                reason, answer = "the disk failed", "the bridge failed to store the request; send it again"
            else:
                return Written()
        self._metrics.rejected(reason, len(request))
        return Retry(answer)
