"""The processor that stands before patient ones: what is flushed or shut down holds all that has ended by then."""

from __future__ import annotations

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from typing_extensions import override

from otel_dspy.later import catch_up


class CatchingUp(SpanProcessor):
    """Lets what calls have left behind be done before the processors after it are flushed or shut down."""

    takes_late_ends = True

    @override
    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Catch up; takes no longer than what waits, which is never more than a second's."""
        catch_up()
        return True

    @override
    def shutdown(self) -> None:
        """Catch up for the last time."""
        catch_up(last=True)


def is_patient(processor: SpanProcessor) -> bool:
    """Whether a span may end later than its call does, as of then: the processor only queues what ends.

    So it is with the SDK's BatchSpanProcessor, subclasses too that leave its two methods alone, and with those that say
    so by an attribute `takes_late_ends = True`.
    """
    if getattr(processor, "takes_late_ends", False):
        return True
    kind = type(processor)
    return (
        issubclass(kind, BatchSpanProcessor)
        and kind.on_start is BatchSpanProcessor.on_start
        and kind.on_end is BatchSpanProcessor.on_end
    )
