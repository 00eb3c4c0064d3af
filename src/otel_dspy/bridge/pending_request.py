"""Queued request, kept as received bytes: parsed spans take about ten times as much memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_dspy.otlp_requests.json_spans import spans_in_json
from otel_dspy.otlp_requests.protobuf_spans import BadSpanError, spans_in_protobuf
from otel_dspy.otlp_requests.span_route import UnusableError, routed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.bridge.experiment_routing import ExperimentRouter
    from otel_dspy.bridge.foreign_spans import RoutedSpan


@dataclass(slots=True)
class PendingRequest:
    """Request whose spans are parsed on each iteration.

    Attributes:
        body: the decompressed `ExportTraceServiceRequest`.
        json: whether the body is JSON instead of protobuf.
        experiment: value of the experiment header.
        workspace: value of the workspace header.
        experiments: routes spans to experiments.
        count: number of valid spans, set by `check`.
    """

    body: bytes
    json: bool
    experiment: str | None
    workspace: str | None
    experiments: ExperimentRouter
    count: int = field(default=0, init=False)

    def check(self) -> Counter[str]:
        """Validate all spans once; return the number of rejected spans by reason.

        Raises:
            MalformedError: the body is not a valid `ExportTraceServiceRequest`.
            TooLargeError: the request has too many spans.
        """
        rejected: Counter[str] = Counter()
        self.count = 0
        for found in self._read():
            if isinstance(found, str):
                rejected[found] += 1
            else:
                self.count += 1
        return rejected

    def __len__(self) -> int:
        """Return the number of valid spans."""
        return self.count

    def __iter__(self) -> Iterator[RoutedSpan]:
        """Yield (span, route) pairs."""
        for found in self._read():
            if not isinstance(found, str):
                yield found

    def _read(self) -> Iterator[RoutedSpan | str]:
        for received in (spans_in_json if self.json else spans_in_protobuf)(self.body):
            if isinstance(received, BadSpanError):
                yield str(received)
                continue
            try:
                where = self.experiments.destination(received.span.resource, self.experiment, self.workspace)
                yield routed(received, where)
            except UnusableError as error:
                yield str(error)
