"""Queue for the SDK's BatchSpanProcessor that does not drop control spans when it is full.

By default the processor queues 2,048 spans and drops the oldest when a new one arrives. An optimization creates
thousands of spans for examples and their calls, but few for compiles, trials and scores, which are worth more.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.trace import SpanKind
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.span_format import is_control

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

_logger = logging.getLogger(__name__)
_MODULES: Final = semconv.SPAN_DSPY_MODULE.format("")
"""Start of the names of the spans of modules' calls."""
_append: Final = deque[Any].appendleft
_length: Final = deque[Any].__len__
"""Methods of the base class, without the object that `super()` creates for each span."""

MOST_CONTROL_SPANS: Final = 16_384
"""Maximum number of queued control spans, in addition to other spans. Bounds memory if the exporter hangs."""


class ControlSpanQueue(deque[Any]):
    """Deque with a separate queue for control spans, which are exported first and do not displace other spans.

    Spans are added on the left and removed on the right, as in the SDK's processor.
    """

    def __init__(self, most: int | None) -> None:
        super().__init__((), most)
        self._control: deque[Any] = deque(maxlen=MOST_CONTROL_SPANS)

    @override
    def appendleft(self, value: ReadableSpan, /) -> None:
        # The kind and the name first: reading an attribute of a span takes five functions, and if the span lacks it, it
        # raises and catches an exception. Most spans are of calls.
        if value.kind is SpanKind.INTERNAL and not value.name.startswith(_MODULES) and is_control(value.attributes):
            self._control.appendleft(value)
        else:
            _append(self, value)

    @override
    def pop(self) -> Any:
        return self._control.pop() if self._control else super().pop()

    @override
    def clear(self) -> None:
        self._control.clear()
        super().clear()

    @override
    def __len__(self) -> int:
        return len(self._control) + _length(self)


def keep_control_spans(processor: BatchSpanProcessor) -> bool:
    """Make a batch processor keep control spans when its queue is full.

    `instrument()` does this for the processors of the provider in use.

    Args:
        processor: any BatchSpanProcessor of the SDK, in use or not.

    Returns:
        False if the SDK's processor has an unknown structure; it is unchanged then.
    """
    batch: Any = getattr(processor, "_batch_processor", None)
    queue: Any = getattr(batch, "_queue", None)
    if type(queue) is ControlSpanQueue:
        return True
    if type(queue) is not deque:
        _logger.debug("Cannot replace the queue of %s: unknown structure of this SDK version", type(processor).__name__)
        return False
    known = cast("deque[Any]", queue)
    ours = ControlSpanQueue(known.maxlen)
    lock: Any = getattr(batch, "_export_lock", None)
    if lock is None:
        return False
    with lock:
        batch._queue = ours  # noqa: SLF001 - the SDK has no public API for it
        while known:
            ours.appendleft(known.pop())
    return True
