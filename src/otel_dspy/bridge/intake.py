"""What becomes of a request, whichever way it came: read, placed, written, and answered only then."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.otlp import MalformedError, from_json, from_protobuf
from otel_dspy.bridge.placing import UnusableError, placed
from otel_dspy.bridge.writer import Delivery, Written

if TYPE_CHECKING:
    from otel_dspy.bridge.metrics import Metrics
    from otel_dspy.bridge.placing import Experiments
    from otel_dspy.bridge.program_traces import Placed
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

    def __init__(self, writer: Writer, experiments: Experiments, metrics: Metrics, patience: float) -> None:
        """Create it.

        Args:
            writer: where spans go.
            experiments: which experiment they go to.
            metrics: told of all.
            patience: seconds to wait for MLflow before a client is asked to come again.
        """
        self._writer = writer
        self._experiments = experiments
        self._metrics = metrics
        self._patience = patience
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="otel-dspy-bridge-reader")

    async def take(self, body: bytes, *, protocol: str, json: bool = False, experiment: str | None = None) -> Answer:
        """Take a request, unzipped.

        Args:
            body: an `ExportTraceServiceRequest`.
            protocol: `http` or `grpc`, for the metrics.
            json: whether it is JSON, not protobuf.
            experiment: what the request's header names.
        """
        answer = await self._take(body, json=json, experiment=experiment, protocol=protocol)
        self._metrics.answered(protocol, answer.verdict.value)
        return answer

    async def _take(self, body: bytes, *, json: bool, experiment: str | None, protocol: str) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            spans, refused = await loop.run_in_executor(
                self._readers, partial(self._read, body, json=json, experiment=experiment)
            )
        except MalformedError as error:
            return Answer(Verdict.MALFORMED, message=str(error))
        self._metrics.received(protocol, len(spans) + len(refused))
        written = await self._written(Delivery(spans, len(body))) if spans else Written()
        if isinstance(written, str):
            return Answer(Verdict.LATER, message=written)
        refused += written.refused
        if not refused:
            # What was refused of it is not known here, since operations are batched: the bridge's log says it.
            return Answer(Verdict.TAKEN, message=f"MLflow refused operations ({written.lost})" if written.lost else "")
        for reason in refused:
            self._metrics.refused(reason, 1)
        reasons = sorted(set(refused))
        more = f"; and {len(reasons) - MAX_REASONS} other reasons" if len(reasons) > MAX_REASONS else ""
        return Answer(Verdict.TAKEN, len(refused), "; ".join(reasons[:MAX_REASONS]) + more)

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

    def _read(self, body: bytes, *, json: bool, experiment: str | None) -> tuple[list[Placed], list[str]]:
        received = from_json(body) if json else from_protobuf(body)
        spans: list[Placed] = []
        refused = list(received.refused)
        for found in received.spans:
            try:
                spans.append(placed(found, self._experiments.destination(found.span.resource, experiment)))
            except UnusableError as error:
                refused.append(str(error))
        return spans, refused

    def close(self) -> None:
        """End the threads."""
        self._readers.shutdown(wait=False, cancel_futures=True)
