"""A request that waits for MLflow as the bytes that it came as: as spans it would take about ten times as much."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_dspy.bridge.otlp import BadSpanError, spans_in_protobuf
from otel_dspy.bridge.otlp_json import spans_in_json
from otel_dspy.bridge.routing import UnusableError, placed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.bridge.foreign_spans import Placed
    from otel_dspy.bridge.routing import Experiments


@dataclass(slots=True)
class PendingRequest:
    """Reads its spans one at a time, each time that they are asked for.

    Attributes:
        body: an `ExportTraceServiceRequest`, unzipped.
        json: whether it is JSON, not protobuf.
        experiment: what the request's header names.
        workspace: the same.
        experiments: where spans go.
        count: spans that can be used, once `check` has been called.
    """

    body: bytes
    json: bool
    experiment: str | None
    workspace: str | None
    experiments: Experiments
    count: int = field(default=0, init=False)

    def check(self) -> Counter[str]:
        """Read all of it once and keep nothing; why spans cannot be used, and how many for each reason.

        Raises:
            MalformedError: it is no request.
            TooLargeError: it has too many spans.
        """
        refused: Counter[str] = Counter()
        self.count = 0
        for found in self._read():
            if isinstance(found, str):
                refused[found] += 1
            else:
                self.count += 1
        return refused

    def __len__(self) -> int:
        """Spans that can be used."""
        return self.count

    def __iter__(self) -> Iterator[Placed]:
        """They, each with where it goes."""
        for found in self._read():
            if not isinstance(found, str):
                yield found

    def _read(self) -> Iterator[Placed | str]:
        for received in (spans_in_json if self.json else spans_in_protobuf)(self.body):
            if isinstance(received, BadSpanError):
                yield str(received)
                continue
            try:
                where = self.experiments.destination(received.span.resource, self.experiment, self.workspace)
                yield placed(received, where)
            except UnusableError as error:
                yield str(error)
