"""Payload pieces and their spans, where they may come apart: kept in MLflow's artifact store until they have met.

A piece is acknowledged before its span has come, so it must not be in memory alone. It lies beside the runs, below the
experiment's artifact location, in a folder for each attribute that waits:

    otel-dspy-payloads/<trace id>-<span id>-<attribute>/<index of the piece>.json
    otel-dspy-payloads/<trace id>-<span id>-<attribute>/span.json

Who writes a piece looks for the span afterwards, and who writes the span looks for the pieces: one of any two writers
finds all of it. Nothing is removed, since what comes again must find it again; the folder may be deleted when no
compile runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.delivery import spool_line
from otel_dspy.mlflow.records.route import Route

if TYPE_CHECKING:
    from otel_dspy.bridge.multi_writer.sink import MultiWriterSink
    from otel_dspy.mlflow.records.span_records import PayloadPiece, SpanRecord

FOLDER: Final = "otel-dspy-payloads"
SPAN: Final = "span.json"
_PIECE: Final = re.compile(r"\d+\.json")
_NOT_IN_NAMES: Final = re.compile(r"[^\w.\-]", re.ASCII)


def keep_piece(sink: MultiWriterSink, piece: PayloadPiece, route: Route) -> tuple[SpanRecord, Route] | None:
    """Keep a piece; the span that has waited for it, if nothing of its attribute is missing any more."""
    folder = _folder(piece.span.trace_id, piece.owner_id, piece.attribute)
    sink.write_beside(f"{folder}/{piece.index}.json", spool_line.span_line(piece.span, route))
    there = sink.beside(folder)
    if SPAN not in there or not all(f"{index}.json" in there for index in range(piece.count)):
        return None
    return _read(sink, f"{folder}/{SPAN}", route)


def keep_span(sink: MultiWriterSink, span: SpanRecord, attribute: str, route: Route) -> None:
    """Let the span wait for the pieces of an attribute."""
    folder = _folder(span.trace_id, span.span_id, attribute)
    sink.write_beside(f"{folder}/{SPAN}", spool_line.span_line(span, route))


def pieces(sink: MultiWriterSink, span: SpanRecord, attribute: str, route: Route) -> list[SpanRecord]:
    """The pieces of the attribute that are there, as the spans that they came in."""
    folder = _folder(span.trace_id, span.span_id, attribute)
    found = [_read(sink, f"{folder}/{name}", route) for name in sorted(sink.beside(folder)) if _PIECE.fullmatch(name)]
    return [piece for piece, _ in filter(None, found)]


def _read(sink: MultiWriterSink, path: str, route: Route) -> tuple[SpanRecord, Route] | None:
    text = sink.read_beside(path)
    parsed = spool_line.parse_line(text) if text is not None else None
    # Where it goes is written without passwords, so that is what is known here.
    return (parsed[0], Route(route.destination, parsed[1].context, parsed[1].options)) if parsed is not None else None


def _folder(trace_id: str, span_id: str, attribute: str) -> str:
    return f"{FOLDER}/{trace_id}-{span_id}-{_NOT_IN_NAMES.sub('_', attribute)[:128]}"
