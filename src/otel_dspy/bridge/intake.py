"""What becomes of a request, whichever way it came: read, placed, written, and answered only then."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.decompression import TooLargeError, UnreadableError
from otel_dspy.bridge.otlp import MalformedError
from otel_dspy.bridge.pending_request import PendingRequest
from otel_dspy.bridge.writer import Delivery, Written

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable

    from otel_dspy.bridge.metrics import Metrics
    from otel_dspy.bridge.routing import Experiments
    from otel_dspy.bridge.settings import BridgeSettings

    Body = Callable[[], Awaitable[bytes]]
    from otel_dspy.bridge.writer import Writer

_logger = logging.getLogger(__name__)

RETRY_AFTER: Final = 2
"""Seconds after which a client is asked to come again."""
MAX_REASONS: Final = 5
"""Reasons that an answer names; the count is of all."""
_READERS: Final = 2
"""Threads that read requests: they take turns with the writer on one interpreter lock."""


class Verdict(Enum):
    """How a request ends."""

    TAKEN = "taken"
    """MLflow has all that could be used of it."""
    MALFORMED = "malformed"
    TOO_LARGE = "too large"
    LATER = "later"
    """Not now: the client should send it again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client is told.

    Attributes:
        verdict: how it ended.
        refused: how many of its spans were refused.
        message: why, in words; empty if there is nothing to say.
    """

    verdict: Verdict
    refused: int = 0
    message: str = ""


class Intake:
    """Takes requests. For one event loop."""

    def __init__(self, writer: Writer, experiments: Experiments, metrics: Metrics, settings: BridgeSettings) -> None:
        """Create it.

        Args:
            writer: where spans go.
            experiments: which experiment they go to.
            metrics: told of all.
            settings: limits, and how long a client waits for MLflow before it is asked to come again.
        """
        self._writer = writer
        self._experiments = experiments
        self._metrics = metrics
        self._patience = settings.patience
        # Requests that are taken in at once, each as large as may be: a client need not say how much it sends. Who
        # waits here is not read from.
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
        """Take a request.

        Args:
            body: reads an `ExportTraceServiceRequest`, unzipped. May raise `TooLargeError` and `UnreadableError`.
            protocol: `http` or `grpc`, for the metrics.
            json: whether it is JSON, not protobuf.
            experiment: what the request's header names.
            workspace: the same.
        """

        def request(content: bytes) -> PendingRequest:
            return PendingRequest(content, json, experiment, workspace, self._experiments)

        answer = await self._take(body, request, protocol)
        self._metrics.answered(protocol, answer.verdict.value)
        return answer

    async def _take(self, body: Body, request: Callable[[bytes], PendingRequest], protocol: str) -> Answer:
        try:
            delivery, refused = await self._read(body, request)
        except TooLargeError as error:
            return Answer(Verdict.TOO_LARGE, message=str(error))
        except (MalformedError, UnreadableError) as error:
            return Answer(Verdict.MALFORMED, message=str(error))
        except TimeoutError:
            return Answer(Verdict.LATER, message="the body came too slowly, or others were before it")
        self._metrics.received(protocol, len(delivery.spans) + refused.total())
        written = await self._written(delivery) if len(delivery.spans) else Written()
        if isinstance(written, str):
            return Answer(Verdict.LATER, message=written)
        refused += written.refused
        if not refused:
            # What was refused of it is not known here, since operations are batched: the bridge's log says it.
            return Answer(Verdict.TAKEN, message=f"MLflow refused operations ({written.lost})" if written.lost else "")
        for reason, spans in refused.items():
            self._metrics.refused(reason, spans)
        reasons = sorted(refused)
        more = f"; and {len(reasons) - MAX_REASONS} other reasons" if len(reasons) > MAX_REASONS else ""
        return Answer(Verdict.TAKEN, refused.total(), "; ".join(reasons[:MAX_REASONS]) + more)

    async def _read(self, body: Body, request: Callable[[bytes], PendingRequest]) -> tuple[Delivery, Counter[str]]:
        """Take it in, and look at every span: what cannot be used is said at once."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._patience):
            await self._reading.acquire()
        try:
            async with asyncio.timeout(self._patience):
                content = await body()
            waiting = request(content)
            refused = await loop.run_in_executor(self._readers, waiting.check)
            return Delivery(waiting, len(content)), refused
        finally:
            self._reading.release()

    async def _written(self, delivery: Delivery) -> Written | str:
        """How it ended; why the client should come again, if it should."""
        reason, answer = "", ""
        if not self._writer.submit(delivery):
            reason, answer = "no room", "there is no room: MLflow takes less than comes"
        else:
            ended = asyncio.wrap_future(delivery.done)
            await asyncio.wait({ended}, timeout=self._patience)
            if not ended.done() or ended.cancelled():
                # What has not begun is left out: it comes again.
                ended.cancel()
                reason, answer = "MLflow is slow", f"MLflow has not taken it within {self._patience:g} s"
            elif ended.result().again:
                reason, answer = "MLflow failed", "MLflow failed at a part of it"
            else:
                return ended.result()
        self._metrics.refused(reason, len(delivery.spans))
        return answer

    def close(self) -> None:
        """End the threads."""
        self._readers.shutdown(wait=False, cancel_futures=True)
