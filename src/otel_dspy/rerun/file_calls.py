"""Recorded calls in files of OTLP JSON, a request a line: of the Collector's file exporter, and spool files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.otlp_requests.json_spans import spans_in_json
from otel_dspy.otlp_requests.protobuf_spans import BadSpanError, MalformedError
from otel_dspy.reporting.files.request_files import RequestFileError, files_at, requests_in_file
from otel_dspy.rerun.errors import RerunError
from otel_dspy.rerun.recorded_call import OPERATION, is_call, recorded_call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otel_dspy.rerun.recorded_call import RecordedCall


def calls_of_files(path: Path) -> Iterator[RecordedCall | None]:
    """Yield the calls in a file, or in the files of a folder with one of `SUFFIXES`; None for each without messages.

    A Collector writes a call again that it has received again; it is yielded once.

    Raises:
        RerunError: A file cannot be read, or is not OTLP JSON.
    """
    known: set[tuple[str, str]] = set()
    for file in files_at(path):
        yield from _calls(file, known)


def _calls(path: Path, known: set[tuple[str, str]]) -> Iterator[RecordedCall | None]:
    """Yield the calls in a file whose ids are not known yet, and add them.

    Raises:
        RerunError: As of `calls_of_files`.
    """
    read = False
    try:
        for request in requests_in_file(path):
            try:
                for received in spans_in_json(request.body):
                    read = True
                    if isinstance(received, BadSpanError) or not is_call(received.span.attributes.get(OPERATION)):
                        continue
                    span = received.span
                    if (own := (span.trace_id, span.span_id)) in known:
                        continue
                    known.add(own)
                    error = (span.message or "") if span.error else None
                    yield recorded_call(span.attributes, span.start_ns, error, f"{path.name}, trace {span.trace_id}")
            except MalformedError as error:
                if not read:
                    raise RerunError(f"{path} is not OTLP JSON with a request a line: {error}") from None
                # Else the writer was killed while it wrote the line.
    except RequestFileError as error:
        raise RerunError(f"{path} cannot be read: {error}") from None
    except OSError as error:
        raise RerunError(f"{path} cannot be read: {error.strerror or error}") from None
