"""Storage in MLflow's artifact store for payload pieces and spans that arrive separately.

A piece is acknowledged before its span arrives, so it must not be in memory only. Pieces and spans are stored next to
the runs, below the experiment's artifact location, in one folder per incomplete attribute:

    otel-dspy-payloads/<trace id>-<span id>-<attribute>/<index of the piece>.json
    otel-dspy-payloads/<trace id>-<span id>-<attribute>/span.json

The writer of a piece looks for the span afterwards, and the writer of the span looks for the pieces, so that one of any
two writers finds everything. Files are kept, because a repeated delivery must find them again; the folder may be
deleted when no compile runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.delivery import spool_line
from otel_dspy.mlflow.records.route import Route

if TYPE_CHECKING:
    from otel_dspy.bridge.multi_writer.experiment_files import ExperimentFiles
    from otel_dspy.mlflow.records.span import SpanRecord
    from otel_dspy.mlflow.records.span_records import PayloadPiece

FOLDER: Final = "otel-dspy-payloads"
SPAN: Final = "span.json"
_PIECE: Final = re.compile(r"\d+\.json")
_NOT_IN_NAMES: Final = re.compile(r"[^\w.\-]", re.ASCII)


def keep_piece(files: ExperimentFiles, piece: PayloadPiece, route: Route) -> tuple[SpanRecord, Route] | None:
    """Store a piece.

    Args:
        files: the experiment's files.
        piece: the piece.
        route: destination and options of its span.

    Returns:
        The stored span that needs the piece, if all pieces of its attribute are present; else None.
    """
    folder = _folder(piece.span.trace_id, piece.owner_id, piece.attribute)
    files.write(f"{folder}/{piece.index}.json", spool_line.span_line(piece.span, route))
    there = files.names(folder)
    if SPAN not in there or not all(f"{index}.json" in there for index in range(piece.count)):
        return None
    return _read(files, f"{folder}/{SPAN}", route)


def keep_span(files: ExperimentFiles, span: SpanRecord, attribute: str, route: Route) -> None:
    """Store a span until the pieces of an attribute arrive.

    Args:
        files: the experiment's files.
        span: the span.
        attribute: name of the attribute.
        route: destination and options of the span.
    """
    folder = _folder(span.trace_id, span.span_id, attribute)
    files.write(f"{folder}/{SPAN}", spool_line.span_line(span, route))


def pieces(files: ExperimentFiles, span: SpanRecord, attribute: str, route: Route) -> list[SpanRecord]:
    """Return the stored pieces of an attribute.

    Args:
        files: the experiment's files.
        span: the span that needs them.
        attribute: name of the attribute.
        route: destination and options of the span.

    Returns:
        The spans that carried the pieces.
    """
    folder = _folder(span.trace_id, span.span_id, attribute)
    found = [_read(files, f"{folder}/{name}", route) for name in sorted(files.names(folder)) if _PIECE.fullmatch(name)]
    return [piece for piece, _ in filter(None, found)]


def _read(files: ExperimentFiles, path: str, route: Route) -> tuple[SpanRecord, Route] | None:
    text = files.read(path)
    parsed = spool_line.parse_line(text) if text is not None else None
    # The stored destination has no passwords, so the caller's is used.
    return (parsed[0], Route(route.destination, parsed[1].context, parsed[1].options)) if parsed is not None else None


def _folder(trace_id: str, span_id: str, attribute: str) -> str:
    return f"{FOLDER}/{trace_id}-{span_id}-{_NOT_IN_NAMES.sub('_', attribute)[:128]}"
