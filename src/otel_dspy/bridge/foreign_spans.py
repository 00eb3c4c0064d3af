"""Buffer for spans of other instrumentations, which are written only if their trace has a span of otel-dspy.

A span of an HTTP client ends before the language model call that contains it, so it may arrive first. It is buffered,
in memory and within bounds, until a span of otel-dspy arrives in its trace; after `MAX_BUFFERED` it is dropped.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.route import Route
    from otel_dspy.mlflow.records.span import SpanRecord

MAX_TRACES: Final = 50_000
"""Maximum number of known traces with spans of otel-dspy; the oldest are evicted."""
MAX_WAITING: Final = 10_000
"""Maximum number of buffered spans; beyond it the oldest traces are dropped."""
MAX_CHARACTERS: Final = 16 * 1024 * 1024
"""Maximum number of characters in buffered spans; beyond it the oldest traces are dropped."""
MAX_BUFFERED: Final = 60.0
"""Seconds that a span stays in the buffer."""

RoutedSpan = tuple["SpanRecord", "Route"]


@dataclass(slots=True)
class _Undecided:
    since: float
    spans: list[RoutedSpan] = field(default_factory=list["RoutedSpan"])
    characters: int = 0


class ProgramTraces:
    """Known traces with spans of otel-dspy, and the buffer of other spans. Not thread-safe.

    Args:
        max_waiting: number of buffered spans above which the oldest traces are dropped.
        patience: seconds that a trace is buffered.
    """

    def __init__(self, max_waiting: int = MAX_WAITING, patience: float = MAX_BUFFERED) -> None:
        self._known: BoundedDict[str, None] = BoundedDict(MAX_TRACES)
        self._undecided: OrderedDict[str, _Undecided] = OrderedDict()
        self._waiting = 0
        self._characters = 0
        self._max_waiting = max_waiting
        self._patience = patience
        self.ignored = 0
        """Number of spans dropped because no span of otel-dspy arrived in their trace."""

    def ours(self, routed: RoutedSpan) -> list[RoutedSpan]:
        """Add a span of otel-dspy; return it and the buffered spans of its trace."""
        trace_id = routed[0].trace_id
        self._known[trace_id] = None
        self._known.move_to_end(trace_id)
        found = self._undecided.pop(trace_id, None)
        if found is None:
            return [routed]
        self._forget(found)
        return [routed, *found.spans]

    def foreign(self, routed: RoutedSpan) -> list[RoutedSpan]:
        """Add a span of another library; return it if its trace is known, else buffer it and return nothing."""
        trace_id = routed[0].trace_id
        if trace_id in self._known:
            return [routed]
        undecided = self._undecided.setdefault(trace_id, _Undecided(time.monotonic()))
        undecided.spans.append(routed)
        size = _characters(routed[0])
        undecided.characters += size
        self._characters += size
        self._waiting += 1
        while self._waiting > self._max_waiting or self._characters > MAX_CHARACTERS:
            self._ignore_oldest()
        return []

    def drop_expired(self) -> None:
        """Drop spans that have been buffered for too long."""
        now = time.monotonic()
        while self._undecided and now - next(iter(self._undecided.values())).since > self._patience:
            self._ignore_oldest()

    def _ignore_oldest(self) -> None:
        _, oldest = self._undecided.popitem(last=False)
        self._forget(oldest)
        self.ignored += len(oldest.spans)

    def _forget(self, undecided: _Undecided) -> None:
        self._waiting -= len(undecided.spans)
        self._characters -= undecided.characters


def _characters(span: SpanRecord) -> int:
    return sum(len(name) + len(str(value)) for name, value in span.attributes.items())
