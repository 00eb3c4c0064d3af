"""Exporter that repeats an export until it succeeds, as a Collector with a queue on disk does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

_PAUSE: Final = 2.0
"""Seconds between two exports of a batch."""


class PersistentExporter(SpanExporter):
    """Exports each batch by another exporter until it is accepted.

    OpenTelemetry's exporter makes six attempts, half a minute in all while nothing listens: less than a bridge takes to
    start on a busy machine.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._ended = threading.Event()

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Return FAILURE only after a shutdown."""
        while (result := self._exporter.export(spans)) is not SpanExportResult.SUCCESS:
            if self._ended.wait(_PAUSE):
                break
        return result

    @override
    def shutdown(self) -> None:
        """Stop repeating."""
        self._ended.set()
        self._exporter.shutdown()
