"""Queued request, kept as received bytes: parsed spans take about ten times as much memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.parsed_spans import SpanMemory
from otel_dspy.mlflow.dropped_attributes_warning import MOST_SERVICES, service_of
from otel_dspy.otlp_requests.json_spans import spans_in_json
from otel_dspy.otlp_requests.protobuf_spans import BadSpanError, spans_in_protobuf
from otel_dspy.otlp_requests.span_route import UnusableError, is_ours, routed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.bridge.experiment_routing import ExperimentRouter
    from otel_dspy.bridge.foreign_spans import RoutedSpan
    from otel_dspy.bridge.parsed_spans import ParsedSpans
    from otel_dspy.mlflow.records.route import Destination
    from otel_dspy.mlflow.records.span import Attributes, SpanRecord

KEPT_BYTES: Final = 2 * 1024 * 1024
"""Bytes of those requests whose spans stay in memory from the check until they are written."""

span_memory: Final = SpanMemory(KEPT_BYTES)


@dataclass(slots=True)
class PendingRequest:
    """Request whose spans are parsed by the check, and again on each iteration but the first if memory is free.

    Attributes:
        body: the decompressed `ExportTraceServiceRequest`.
        json: whether the body is JSON instead of protobuf.
        experiment: value of the experiment header.
        workspace: value of the workspace header.
        experiments: routes spans to experiments.
        count: number of valid spans, set by `check`.
        incomplete: of each service the first span of otel-dspy that lost attributes to limits of the program's tracer
            provider, with their number; set by `check`, for at most as many services as the bridge warns of.
    """

    body: bytes
    json: bool
    experiment: str | None
    workspace: str | None
    experiments: ExperimentRouter
    count: int = field(default=0, init=False)
    incomplete: dict[str, tuple[SpanRecord, int]] = field(
        default_factory=dict[str, "tuple[SpanRecord, int]"], init=False, repr=False, compare=False
    )
    _parsed: ParsedSpans | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def parsed(self) -> bool:
        """Whether the next iteration need not parse the spans."""
        return self._parsed is not None

    def check(self) -> Counter[str]:
        """Validate all spans once; return the number of rejected spans by reason.

        Raises:
            MalformedError: the body is not a valid `ExportTraceServiceRequest`.
            TooLargeError: the request has too many spans.
        """
        rejected: Counter[str] = Counter()
        self.count, self.incomplete = 0, {}
        parsed = span_memory.reserved(len(self.body))
        for found in self._read(self.incomplete):
            if isinstance(found, str):
                rejected[found] += 1
                continue
            self.count += 1
            if parsed is not None:
                parsed.spans.append(found)
        self._parsed = parsed
        return rejected

    def __len__(self) -> int:
        """Return the number of valid spans."""
        return self.count

    def __iter__(self) -> Iterator[RoutedSpan]:
        """Yield (span, route) pairs."""
        parsed, self._parsed = self._parsed, None
        if parsed is not None:
            yield from parsed.spans
            return
        for found in self._read():
            if not isinstance(found, str):
                yield found

    def _read(self, incomplete: dict[str, tuple[SpanRecord, int]] | None = None) -> Iterator[RoutedSpan | str]:
        resource: Attributes | None = None
        where: Destination | None = None
        for received in (spans_in_json if self.json else spans_in_protobuf)(self.body):
            if isinstance(received, BadSpanError):
                yield str(received)
                continue
            try:
                if where is None or received.span.resource is not resource:
                    where, resource = None, received.span.resource
                    where = self.experiments.destination(resource, self.experiment, self.workspace)
                if incomplete is not None and received.dropped_attributes:
                    _note(received.span, received.dropped_attributes, incomplete)
                yield routed(received, where)
            except UnusableError as error:
                yield str(error)


def _note(span: SpanRecord, dropped: int, incomplete: dict[str, tuple[SpanRecord, int]]) -> None:
    if is_ours(span) and len(incomplete) < MOST_SERVICES:
        incomplete.setdefault(service_of(span), (span, dropped))
