"""Request handling of both servers: parse, route, write, respond."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.acknowledgment import AfterCommit, AfterQueueing, Retry
from otel_dspy.bridge.decompression import UnreadableError
from otel_dspy.bridge.delivery import Written
from otel_dspy.bridge.pending_request import PendingRequest
from otel_dspy.bridge.request_answer import Answer, RequestStatus
from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.mlflow.dropped_attributes_warning import DroppedAttributesWarning
from otel_dspy.otlp_requests.protobuf_spans import MalformedError, TooLargeError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable

    from otel_dspy.bridge.acknowledgment import Acknowledgment
    from otel_dspy.bridge.configuration.settings import BridgeSettings
    from otel_dspy.bridge.durable_queue.durable_queue import DurableQueue
    from otel_dspy.bridge.experiment_routing import ExperimentRouter
    from otel_dspy.bridge.metrics import Metrics

    Body = Callable[[], Awaitable[bytes]]
    from otel_dspy.bridge.request_writer import RequestWriter

_logger = logging.getLogger(__name__)

MAX_REASONS: Final = 5
"""Maximum number of reasons in a response; the count covers all."""
_READERS: Final = 2
"""Threads that parse requests. They share the GIL with the writer."""


class Intake:
    """Request handler. For one event loop."""

    def __init__(
        self,
        writer: RequestWriter,
        experiments: ExperimentRouter,
        metrics: Metrics,
        settings: BridgeSettings,
        queue: DurableQueue | None = None,
    ) -> None:
        """Create a handler.

        Args:
            writer: delivers spans to MLflow.
            experiments: routes spans to experiments.
            metrics: records requests and spans.
            settings: limits, and how long a request waits before the client is asked to retry.
            queue: stores requests on disk; None to acknowledge them when MLflow has stored them.
        """
        self._acknowledgment: Acknowledgment = (
            AfterCommit(writer, metrics, settings.patience)
            if queue is None
            else AfterQueueing(queue, metrics, settings.patience)
        )
        self._experiments = experiments
        self._metrics = metrics
        self._dropped_warning = DroppedAttributesWarning()
        self._patience = settings.patience
        # Bounds memory: a client need not announce the size of a request, so each counts with the maximum. The bodies
        # of waiting requests are not read.
        self._reading = asyncio.Semaphore(max(1, settings.max_waiting_bytes // settings.max_request_bytes))
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="otel-dspy-bridge-reader")

    async def take(
        self,
        body: Body,
        *,
        protocol: str,
        json: bool = False,
        experiment: str | None = None,
        workspace: str | None = None,
    ) -> Answer:
        """Handle a request.

        Args:
            body: reads the decompressed `ExportTraceServiceRequest`. May raise `TooLargeError` and `UnreadableError`.
            protocol: `http` or `grpc`, for the metrics.
            json: whether the body is JSON instead of protobuf.
            experiment: value of the experiment header.
            workspace: value of the workspace header.
        """

        def request(content: bytes) -> PendingRequest:
            return PendingRequest(content, json, experiment, workspace, self._experiments)

        answer = await self._take(body, request, protocol)
        self._metrics.answered(protocol, answer.status.value)
        return answer

    async def _take(self, body: Body, request: Callable[[bytes], PendingRequest], protocol: str) -> Answer:
        try:
            waiting, rejected = await self._read(body, request)
        except TooLargeError as error:
            return Answer(RequestStatus.TOO_LARGE, message=str(error))
        except (MalformedError, UnreadableError) as error:
            return Answer(RequestStatus.MALFORMED, message=str(error))
        except TimeoutError:
            return Answer(RequestStatus.LATER, message="timed out reading the request body; send it again")
        self._metrics.received(protocol, len(waiting) + rejected.total())
        written = await self._acknowledgment.accept(waiting) if len(waiting) else Written()
        if isinstance(written, Retry):
            return Answer(RequestStatus.LATER, message=written.message, unmapped=written.unmapped)
        rejected += written.rejected
        if not rejected:
            # Operations are batched, so the spans behind a rejected operation are not known here.
            lost = (
                f"MLflow rejected {counted(written.lost, 'operation')}; see the log of the bridge"
                if written.lost
                else ""
            )
            return Answer(RequestStatus.TAKEN, message=lost)
        for reason, spans in rejected.items():
            self._metrics.rejected(reason, spans)
        reasons = sorted(rejected)
        others = len(reasons) - MAX_REASONS
        more = f"; and {counted(others, 'other reason')}" if others > 0 else ""
        message = "; ".join(reasons[:MAX_REASONS]) + more
        return Answer(RequestStatus.TAKEN, rejected.total(), message, written.unmapped)

    async def _read(
        self, body: Body, request: Callable[[bytes], PendingRequest]
    ) -> tuple[PendingRequest, Counter[str]]:
        """Read and validate a request; return it, and the number of rejected spans by reason."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._patience):
            await self._reading.acquire()
        try:
            async with asyncio.timeout(self._patience):
                content = await body()
            waiting = request(content)
            rejected = await loop.run_in_executor(self._readers, waiting.check)
            for span, dropped in waiting.incomplete.values():
                self._dropped_warning.span_received(span, dropped)
            waiting.incomplete.clear()  # it may wait in the queue for long
            return waiting, rejected
        finally:
            self._reading.release()

    def close(self) -> None:
        """Shut down the threads."""
        self._readers.shutdown(wait=False, cancel_futures=True)
