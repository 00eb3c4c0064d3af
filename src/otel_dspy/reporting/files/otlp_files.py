"""Conversion of the optimizations in OTLP JSON files, as the Collector's file exporter writes them, to a spool file."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from otel_dspy import semconv
from otel_dspy.mlflow.delivery.spool_line import end_line, span_line
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.spool_replay.file_result import FileResult
from otel_dspy.otlp_requests.json_spans import spans_in_json
from otel_dspy.otlp_requests.protobuf_spans import BadSpanError, MalformedError, TooLargeError
from otel_dspy.otlp_requests.span_route import UnusableError, routed
from otel_dspy.reporting.files.request_files import RequestFileError, requests_in_file
from otel_dspy.span_format import is_control

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from otel_dspy.mlflow.records.route import Route
    from otel_dspy.mlflow.records.span import SpanRecord

_DESTINATION: Final = Destination("files", Experiment(name="files"))
"""Destination in the lines of the spool file. It is not used: a replay names another one."""


def spool_of_files(paths: Sequence[Path], spool: Path) -> list[FileResult]:
    """Write the spans that record optimizations to a spool file; return what was read of each file.

    A Collector writes spans in the order in which batches arrive, several of a service in any order, and those that it
    has sent again twice. They are written once, in the order of their ends, each after the pieces of its attributes.

    Args:
        paths: files of OTLP JSON.
        spool: the file to write.

    Raises:
        OSError: The spool file cannot be written.
    """
    results = [FileResult(path) for path in paths]
    found: dict[tuple[str, str], tuple[SpanRecord, Route]] = {}
    for span, route in chain.from_iterable(map(_spans, results)):
        found.setdefault((span.trace_id, span.span_id), (span, route))
    pieces: dict[tuple[str, str | None], list[str]] = {}
    spans: list[tuple[int, str, tuple[str, str]]] = []
    while found:
        # Spans are removed one at a time while their lines are added: a line takes less memory than a span.
        own, (span, route) = found.popitem()
        line = span_line(span, route)
        if span.attributes.get(semconv.DSPY_OPERATION_NAME) == "payload":
            pieces.setdefault((span.trace_id, span.parent_id), []).append(line)
        else:
            spans.append((span.end_ns, line, own))
    spans.reverse()  # `popitem` takes the last one first
    spans.sort(key=lambda one: one[0])
    with spool.open("w", encoding="utf-8") as file:
        for _, line, own in spans:
            for text in (*pieces.get(own, ()), line):
                file.write(f"{text}\n")
        file.write(f"{end_line()}\n")
    return results


def _spans(result: FileResult) -> Iterator[tuple[SpanRecord, Route]]:
    """Yield the control spans of a file; what cannot be read of it is added to the result."""
    try:
        for request in requests_in_file(result.path):
            if not request.body.strip():
                continue
            try:
                for received in spans_in_json(request.body):
                    if isinstance(received, BadSpanError):
                        result.damaged.append((request.number, str(received)))
                    elif is_control(received.span.attributes):
                        result.spans += 1
                        yield routed(received, _DESTINATION)
            except (MalformedError, TooLargeError, UnusableError) as error:
                if request.whole or request.number == 1:
                    result.damaged.append((request.number, str(error)))
                # Else the line is being written.
    except RequestFileError as error:
        result.trouble = f"the file cannot be read: {error}"
    except OSError as error:
        result.trouble = f"the file cannot be read: {error.strerror or error}"
