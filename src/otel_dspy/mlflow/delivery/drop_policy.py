"""Which queue a span belongs to, and whether it gets in: what tells of the optimization always does."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from otel_dspy.control import is_control
from otel_dspy.mlflow.records.route import RootKind

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.records.route import TraceContext

_logger = logging.getLogger(__name__)

MAX_REMEMBERED: Final = 100_000
"""Traces that are remembered as begun or dropped; a trace whose root never ends must not be remembered for ever."""


class DropPolicy:
    """Sorts spans. Not thread-safe.

    A trace is control as soon as one of its spans is, until its root has been confirmed: everything in it is kept.
    """

    def __init__(self) -> None:
        self._control: dict[str, int | None] = {}
        """Control trace to the number of its root, None while that has not ended."""
        self._begun: OrderedDict[str, None] = OrderedDict()
        self._dropped: OrderedDict[str, None] = OrderedDict()
        self.dropped_traces = 0
        self.dropped_spans = 0

    def is_control(self, span: ReadableSpan, context: TraceContext) -> bool:
        """Whether it tells of an optimization or stands in a trace that does."""
        if context.kind in {RootKind.COMPILE, RootKind.EVALUATE} or context.trace_id in self._control:
            return True
        return is_control(span.attributes)

    def control_came(self, context: TraceContext, number: int, *, root: bool) -> None:
        """Note a control span that was queued under that number."""
        if root:
            self._control[context.trace_id] = number
        else:
            self._control.setdefault(context.trace_id, None)

    @property
    def goes_on(self) -> bool:
        """Whether a control trace has begun whose root has not come."""
        return None in self._control.values()

    def control_confirmed(self, until: int) -> bool:
        """Forget the traces whose roots have numbers below `until`; whether any are left."""
        for trace_id, number in list(self._control.items()):
            if number is not None and number < until:
                del self._control[trace_id]
        return bool(self._control)

    def admits(self, context: TraceContext, *, root: bool, room: bool) -> bool:
        """Whether a span that is not control gets in: traces are taken or dropped whole.

        Args:
            context: its trace.
            root: whether it is the trace's root, so that nothing more comes.
            room: whether there is room for another trace.
        """
        trace_id = context.trace_id
        begun, dropped = trace_id in self._begun, trace_id in self._dropped
        if dropped or not (begun or room):
            self._drop(trace_id, known=dropped, root=root)
            return False
        if root:
            self._begun.pop(trace_id, None)
        elif not begun:
            _remember(self._begun, trace_id)
        return True

    def _drop(self, trace_id: str, *, known: bool, root: bool) -> None:
        self.dropped_spans += 1
        if not known:
            self.dropped_traces += 1
            if self.dropped_traces == 1:
                _logger.warning(
                    "MLflow takes less than comes and the spool is full: from now on whole example traces are dropped, "
                    "runs, scores and programs are not"
                )
        if root:
            self._dropped.pop(trace_id, None)
        elif not known:
            _remember(self._dropped, trace_id)


def _remember(traces: OrderedDict[str, None], trace_id: str) -> None:
    traces[trace_id] = None
    if len(traces) > MAX_REMEMBERED:
        traces.popitem(last=False)
