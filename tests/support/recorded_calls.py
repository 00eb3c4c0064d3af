"""A file with the calls that a test recorded, in OTLP JSON, a request a line, as the Collector's file exporter writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.delivery import spool_line
from otel_dspy.mlflow.records.route import Destination, Experiment, Options, RootKind, Route, TraceContext
from otel_dspy.mlflow.records.sdk_span import span_record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.span_recorder import Recorder

_ROUTE = Route(
    Destination("sqlite:///none.db", Experiment(name="e"), None),
    TraceContext(trace_id="1" * 32, root_id="1" * 16, kind=RootKind.CALL),
    Options(),
)


def call_lines(recorder: Recorder) -> list[str]:
    """A line for each call."""
    return [spool_line.span_line(span_record(span), _ROUTE) for span in recorder.named("chat")]


def written_calls(recorder: Recorder, folder: Path) -> Path:
    """The file."""
    file = folder / "spans.jsonl"
    file.write_text("\n".join(call_lines(recorder)), encoding="utf-8")
    return file
