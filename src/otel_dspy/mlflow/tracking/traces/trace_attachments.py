"""Writes the images of a trace's inputs and outputs beside the trace, where MLflow's UI shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.traces import trace_images
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan
    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy

MAX_REMEMBERED = 10_000
"""Number of files that are known to be written, so that an image of many spans is written once a trace."""


class TraceAttachments:
    """Files of the traces of one experiment."""

    def __init__(self, writer: WriterStrategy) -> None:
        self._writer = writer
        self._written: BoundedDict[str, None] = BoundedDict(MAX_REMEMBERED)

    def detached(self, span: LogSpan) -> LogSpan:
        """Write the images of a span's inputs and outputs; return the span with references to them.

        The span is returned as it is where the installed MLflow does not show references.

        Raises:
            Stopped: the deadline has passed.
        """
        if not capabilities.trace_attachments():
            return span
        span, files = trace_images.with_references(span)
        files = {name: content for name, content in files.items() if name not in self._written}
        if files:
            self._writer.attempts.run("images of a trace", lambda: self._write(span.trace_id, files))
        return span

    def _write(self, trace_id: str, files: Mapping[str, bytes]) -> None:
        connection = self._writer.connection
        uri = connection.store().traces.trace_artifact_uri(connection.experiment_id(), trace_id)
        self._writer.write_artifact(uri, trace_images.FOLDER, files)
        for name in files:
            self._written[name] = None
