"""A batch processor's queue that never drops what tells of an optimization.

The SDK's BatchSpanProcessor keeps 2,048 spans and drops the oldest for a newer one. Examples and their calls come by
thousands; compiles, trials and scores are few, and one of them is worth more than all the rest.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from typing_extensions import override

from otel_dspy.control import is_control

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

_logger = logging.getLogger(__name__)

MOST_CONTROL_SPANS: Final = 16_384
"""Control spans that wait at most, beside the queue of the rest: an exporter that hangs must not take all memory."""


class ControlQueue(deque[Any]):
    """Two queues in one: control spans wait apart, leave first, and take no other span's room.

    Spans enter on the left and leave on the right, as the SDK's processor has it.
    """

    def __init__(self, most: int | None) -> None:
        super().__init__((), most)
        self._control: deque[Any] = deque(maxlen=MOST_CONTROL_SPANS)

    @override
    def appendleft(self, value: ReadableSpan, /) -> None:
        if is_control(value.attributes):
            self._control.appendleft(value)
        else:
            super().appendleft(value)

    @override
    def pop(self) -> Any:
        return self._control.pop() if self._control else super().pop()

    @override
    def clear(self) -> None:
        self._control.clear()
        super().clear()

    @override
    def __len__(self) -> int:
        return len(self._control) + super().__len__()


def keep_control_spans(processor: BatchSpanProcessor) -> bool:
    """Let the processor never drop a control span for want of room; `instrument()` does it for the provider in use.

    Args:
        processor: any BatchSpanProcessor of the SDK, in use or not.

    Returns:
        False where this SDK's processor is built otherwise; nothing has changed then.
    """
    batch: Any = getattr(processor, "_batch_processor", None)
    queue: Any = getattr(batch, "_queue", None)
    if type(queue) is ControlQueue:
        return True
    if type(queue) is not deque:
        _logger.debug("This SDK's batch processor cannot be told what to keep: %s", type(processor).__name__)
        return False
    known = cast("deque[Any]", queue)
    ours = ControlQueue(known.maxlen)
    lock: Any = getattr(batch, "_export_lock", None)
    if lock is None:
        return False
    with lock:
        batch._queue = ours  # noqa: SLF001 - the SDK offers no other way in
        while known:
            ours.appendleft(known.pop())
    return True
