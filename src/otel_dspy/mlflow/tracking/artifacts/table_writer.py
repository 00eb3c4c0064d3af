"""Writes tables as artifacts and lists them in a tag of their run, where the UI looks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.mapping.artifacts import table_images
from otel_dspy.mlflow.mapping.artifacts.tables import table_json
from otel_dspy.mlflow.mapping.run_keys import UserRun
from otel_dspy.mlflow.tracking.artifacts.table_list import (
    LOGGED_ARTIFACTS_TAG,
    free_path,
    list_table,
    logged_artifacts_tag,
    tables_of,
)
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.mapping.operations import LogTable
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.tracking.runs.run_sender import RunSender
    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy

MAX_RUNS: Final = 1024
"""Maximum number of open runs whose tables are kept, those written last: the ends of killed programs never come."""


class TableWriter:
    """Tables of the runs of one experiment."""

    def __init__(self, writer: WriterStrategy, batches: RunSender) -> None:
        self._writer = writer
        self._batches = batches
        self._tables: BoundedDict[RunKey, dict[str, str]] = BoundedDict(MAX_RUNS)

    def write(self, operation: LogTable) -> None:
        """Write a table. Of two with the same path, the later gets a number."""
        if self._writer.shares_tables(operation.run):
            self._write_shared(operation)
        else:
            self._write_own(operation)

    def run_ended(self, run: RunKey) -> None:
        """Drop what is known of the run's tables."""
        self._tables.pop(run, None)

    def _write_own(self, operation: LogTable) -> None:
        run = operation.run
        uri = self._writer.runs.handle(run, operation.start_ms).artifact_uri
        known = self._tables_of(run)
        path = free_path(known, operation.path, operation.key)
        known[path] = operation.key

        def list_it() -> None:
            # Combined with the run's next metrics, if there will be any, to save a request.
            self._batches.batch(run).add(
                tags={LOGGED_ARTIFACTS_TAG: logged_artifacts_tag(known)}, due=run not in self._tables
            )

        self._write(operation, uri, path, list_it)

    def _write_shared(self, operation: LogTable) -> None:
        run, store = self._writer.runs.handle(operation.run, operation.start_ms), self._writer.connection.store
        unlisted = self._tables_of(operation.run)
        tags = store().run_tags(run.run_id)
        path = free_path(tables_of(tags) | unlisted, operation.path, operation.key)
        unlisted[path] = operation.key

        def list_it() -> None:
            # `list_table` reads what other writers have listed since. A program lists tables of its own in its own run.
            known = store().run_tags(run.run_id) if isinstance(operation.run, UserRun) else tags
            list_table(store, run.run_id, known, path, operation.key)
            unlisted.pop(path, None)
            if not unlisted and self._tables.get(operation.run) is unlisted:
                del self._tables[operation.run]

        self._write(operation, run.artifact_uri, path, list_it)

    def _tables_of(self, run: RunKey) -> dict[str, str]:
        known = self._tables.setdefault(run, {})
        self._tables.move_to_end(run)
        return known

    def _write(self, operation: LogTable, uri: str, path: str, written: Callable[[], None]) -> None:
        if images := table_images.files(operation):
            self._writer.write_artifact(uri, table_images.folder(path), images)
        self._writer.write_artifact(uri, path, table_json(operation, path), written)
