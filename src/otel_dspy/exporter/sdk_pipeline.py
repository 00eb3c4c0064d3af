"""Adjustments to an SDK pipeline that was configured by environment variables.

The SDK wraps every exporter of `OTEL_TRACES_EXPORTER` in a BatchSpanProcessor, which drops the oldest spans when 2,048
are queued. `adopt` replaces an exporter that represents a span processor by that processor, and makes batch
processors keep control spans (`control_span_queue`). It needs private attributes of the SDK; if they are renamed, the
pipeline remains unchanged.
"""

from __future__ import annotations

import logging
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast, runtime_checkable

from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy.exporter.control_span_queue import keep_control_spans

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

_logger = logging.getLogger(__name__)
_Processor = TypeVar("_Processor")

_adopted: Final[weakref.WeakKeyDictionary[object, list[SpanProcessor]]] = weakref.WeakKeyDictionary()
"""By the object that holds a provider's processors: a provider need not have a hash."""


@runtime_checkable
class StandIn(Protocol):
    """Exporter that is a placeholder for a span processor."""

    def span_processor(self) -> SpanProcessor:
        """Return the processor that replaces the exporter."""
        ...


@dataclass(frozen=True, slots=True)
class Audience:
    """Numbers of a provider's span processors.

    Attributes:
        adopted: processors that replaced a stand-in.
        others: all other processors.
    """

    adopted: int
    others: int


def adopt(provider: object) -> Audience:
    """Replace the stand-ins among the provider's exporters, and make its batch processors keep control spans.

    Idempotent. A stand-in whose processor cannot be created remains, and a warning is logged.

    Args:
        provider: an SDK TracerProvider; any other object is ignored.
    """
    several: Any = getattr(provider, "_active_span_processor", None)
    found: object = getattr(several, "_span_processors", None)
    if not isinstance(found, tuple):
        return Audience(0, 0)
    before = cast("tuple[SpanProcessor, ...]", found)
    ours = _adopted.setdefault(several, [])
    after: list[SpanProcessor] = []
    for processor in before:
        exporter: object = getattr(processor, "span_exporter", None)
        if isinstance(exporter, StandIn):
            instead = _instead(exporter)
            if instead is not None:
                ours.append(instead)
                after.append(instead)
                processor.shutdown()  # ends its thread
                continue
        elif isinstance(processor, BatchSpanProcessor):
            keep_control_spans(processor)
        after.append(processor)
    several._span_processors = tuple(after)  # noqa: SLF001 - the SDK cannot remove a processor
    others = [processor for processor in after if processor not in ours]
    return Audience(len(ours), len(others))


def adopted(provider: object, kind: type[_Processor]) -> _Processor | None:
    """Return the provider's span processor of this class that replaced a stand-in; None if there is none."""
    several = getattr(provider, "_active_span_processor", None)
    ours = _adopted.get(several, []) if several is not None else []
    return next((processor for processor in ours if isinstance(processor, kind)), None)


def _instead(exporter: StandIn) -> SpanProcessor | None:
    try:
        return exporter.span_processor()
    except ImportError as error:
        _logger.warning("%s cannot be used, its spans are not exported: %s", type(exporter).__name__, error)
        return None
