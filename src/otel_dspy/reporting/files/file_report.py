"""Report on an optimization from spool files of a program or files of a Collector, without an MLflow server."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.latest import LATEST
from otel_dspy.reporting.report import Report
from otel_dspy.reporting.required_packages import check_packages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.mlflow.spool_replay.file_result import FileResult

_EXPERIMENT: Final = "files"
_OTLP_NEEDED: Final = ("google.protobuf", "opentelemetry.proto")


def report_on_files(paths: Sequence[Path]) -> Report:
    """Read the report on the latest optimization in files, which are not changed.

    The files are written into a temporary MLflow store, as `otel-dspy replay` would write them, and read from there.

    Args:
        paths: spool files, of which those with `control` in their names contain optimizations, and files of OTLP JSON
            with a request a line, as the Collector's file exporter writes them.

    Raises:
        ReportError: There is no optimization in the files, or a package of the extra `report` is missing.
        OSError: The temporary store cannot be created.
    """
    check_packages(*_OTLP_NEEDED)
    from mlflow import MlflowClient  # noqa: PLC0415 - seconds

    from otel_dspy.mlflow.delivery.spool_folder import is_spool_file  # noqa: PLC0415 - as below
    from otel_dspy.mlflow.spool_replay.replay_to_mlflow import Replay  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.reporting.files.otlp_files import spool_of_files  # noqa: PLC0415 - optional packages
    from otel_dspy.reporting.runs.read_compile import read_compile  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory(prefix="otel-dspy-") as name:
        uri = f"sqlite:///{Path(name, 'mlflow.db')}"
        MlflowClient(uri).create_experiment(_EXPERIMENT, artifact_location=Path(name, "artifacts").as_uri())
        spooled = [path for path in paths if is_spool_file(path)]
        converted = Path(name, "control.jsonl")
        read = spool_of_files([path for path in paths if path not in spooled], converted)
        results: list[FileResult] = []
        replay = Replay(tracking_uri=uri, experiment=_EXPERIMENT, workspace="", reports=False)
        replay.run([*spooled, converted], results.append)
        try:
            found = read_compile(uri, LATEST)
        except ReportError:
            raise ReportError(_nothing([*(one for one in results if one.path != converted), *read])) from None
    trials = tuple(replace(trial, run_id=None) for trial in found.trials)
    return Report(replace(found, run_id="", tracking_uri="", experiment_id="", trials=trials))


def _nothing(results: Sequence[FileResult]) -> str:
    names = ", ".join(str(result.path) for result in results)
    troubles = "".join(f" {result.path}: {result.reason}." for result in results if result.reason is not None)
    damaged = "".join(
        f" {result.path}: {counted(len(result.damaged), 'damaged line')}." for result in results if result.damaged
    )
    return f"There is no optimization with a trial in {names}.{troubles}{damaged}"
