"""Drop policy: assigns spans to the control or the example queue, and drops example traces when there is no room."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.records.route import RootKind
from otel_dspy.runtime.bounded_dict import BoundedDict
from otel_dspy.span_format import is_control

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.records.route import TraceContext

_logger = logging.getLogger(__name__)

MAX_REMEMBERED: Final = 100_000
"""Maximum number of remembered traces: the root of a trace may never end."""


class DropPolicy:
    """Classifies and admits spans. Not thread-safe.

    A trace is a control trace from its first control span until its root is confirmed: all of its spans are kept.
    """

    def __init__(self) -> None:
        self._control: dict[str, int | None] = {}
        """Control trace to the number of its root, None while that has not ended."""
        self._started: BoundedDict[str, None] = BoundedDict(MAX_REMEMBERED)
        self._dropped: BoundedDict[str, None] = BoundedDict(MAX_REMEMBERED)
        self.dropped_traces = 0
        self.dropped_spans = 0

    def is_control(self, span: ReadableSpan, context: TraceContext) -> bool:
        """Whether the span describes an optimization or belongs to a trace that does."""
        if context.kind in {RootKind.COMPILE, RootKind.EVALUATE} or context.trace_id in self._control:
            return True
        return is_control(span.attributes)

    def record_control(self, context: TraceContext, number: int, *, root: bool) -> None:
        """Record that a control span was queued under this number.

        Args:
            context: the trace that the span is logged in.
            number: the position of the span in the queue.
            root: whether the span is the root of its trace.
        """
        if root:
            self._control[context.trace_id] = number
        else:
            self._control.setdefault(context.trace_id, None)

    @property
    def has_open_trace(self) -> bool:
        """Whether a control trace has started whose root has not been received."""
        return None in self._control.values()

    def control_confirmed(self, until: int) -> bool:
        """Forget the traces whose roots have numbers below `until`; return whether any are left."""
        for trace_id, number in list(self._control.items()):
            if number is not None and number < until:
                del self._control[trace_id]
        return bool(self._control)

    def admits(self, context: TraceContext, *, root: bool, room: bool) -> bool:
        """Whether to accept a span that is not control: traces are accepted or dropped as a whole.

        Args:
            context: the span's trace.
            root: whether the span is the trace's root, and so its last span.
            room: whether there is room for another trace.
        """
        trace_id = context.trace_id
        started, dropped = trace_id in self._started, trace_id in self._dropped
        if dropped or not (started or room):
            self._drop(trace_id, known=dropped, root=root)
            return False
        if root:
            self._started.pop(trace_id, None)
        elif not started:
            self._started[trace_id] = None
        return True

    def _drop(self, trace_id: str, *, known: bool, root: bool) -> None:
        self.dropped_spans += 1
        if not known:
            self.dropped_traces += 1
            if self.dropped_traces == 1:
                _logger.warning(
                    "MLflow is slower than the span rate, and the spool is full or cannot be written; dropping new "
                    "example traces. Runs, scores and programs are kept."
                )
        if root:
            self._dropped.pop(trace_id, None)
        elif not known:
            self._dropped[trace_id] = None
