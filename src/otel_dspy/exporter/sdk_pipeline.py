"""What the SDK made of environment variables, put right when DSPy is instrumented.

The SDK puts every exporter that `OTEL_TRACES_EXPORTER` names into a BatchSpanProcessor, which drops the oldest spans
when 2,048 wait. Here an exporter that stands for a span processor is replaced by it, and the batch processors' queues
keep what tells of an optimization (`control_queue`). The SDK offers no way in but private attributes; should they be
renamed, spans are handled as the SDK does it.
"""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast, runtime_checkable

from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy.exporter.control_queue import keep_control_spans

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

_logger = logging.getLogger(__name__)
_Processor = TypeVar("_Processor")

_adopted: Final[weakref.WeakKeyDictionary[object, list[SpanProcessor]]] = weakref.WeakKeyDictionary()


@runtime_checkable
class StandIn(Protocol):
    """An exporter that stands for a span processor."""

    def span_processor(self) -> SpanProcessor:
        """The processor that it stands for."""
        ...


@dataclass(frozen=True, slots=True)
class Audience:
    """Who hears a provider's spans.

    Attributes:
        adopted: how many span processors were put in the place of their stand-ins.
        others: how many others there are.
    """

    adopted: int
    others: int


def adopt(provider: object) -> Audience:
    """Replace the stand-ins among the provider's exporters, and make its batch processors keep control spans.

    Does nothing to what was done before. A stand-in whose processor cannot be had is left, with a warning.

    Args:
        provider: an SDK TracerProvider; anything else hears nothing of ours.
    """
    several: Any = getattr(provider, "_active_span_processor", None)
    found: object = getattr(several, "_span_processors", None)
    if not isinstance(found, tuple):
        return Audience(0, 0)
    before = cast("tuple[SpanProcessor, ...]", found)
    ours = _adopted.setdefault(provider, [])
    after: list[SpanProcessor] = []
    for processor in before:
        exporter: object = getattr(processor, "span_exporter", None)
        if isinstance(exporter, StandIn):
            instead = _instead(exporter)
            if instead is not None:
                ours.append(instead)
                after.append(instead)
                processor.shutdown()  # its thread, which would wait for nothing
                continue
        elif isinstance(processor, BatchSpanProcessor):
            keep_control_spans(processor)
        after.append(processor)
    several._span_processors = tuple(after)  # noqa: SLF001 - the SDK has no way to take one out
    others = [processor for processor in after if processor not in ours]
    return Audience(len(ours), len(others))


def adopted(provider: object, kind: type[_Processor]) -> _Processor | None:
    """The provider's span processor of this class that was put in the place of a stand-in, if there is one."""
    ours = _adopted.get(provider, []) if provider is not None else []
    return next((processor for processor in ours if isinstance(processor, kind)), None)


def _instead(exporter: StandIn) -> SpanProcessor | None:
    try:
        return exporter.span_processor()
    except ImportError as error:
        _logger.warning("%s cannot be used, its spans go nowhere: %s", type(exporter).__name__, error)
        return None
