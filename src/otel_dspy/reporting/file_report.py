"""Report on an optimization from the spool files of a program, without an MLflow server."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.report import Report, check_packages
from otel_dspy.reporting.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.mlflow.replay.file_result import FileResult

_EXPERIMENT: Final = "files"


def report_on_files(paths: Sequence[Path]) -> Report:
    """Read the report on the latest optimization in spool files, which are not changed.

    The files are written into a temporary MLflow store, as `otel-dspy replay` would write them, and read from there.

    Args:
        paths: spool files; those with `control` in their names contain optimizations.

    Raises:
        ReportError: There is no optimization in the files, or a package of the extra `report` is missing.
        OSError: The temporary store cannot be created.
    """
    check_packages()
    from mlflow import MlflowClient  # noqa: PLC0415 - seconds

    from otel_dspy.mlflow.replay.reader import Replay  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.reporting.runs.find import LATEST  # noqa: PLC0415 - as above
    from otel_dspy.reporting.runs.read import read_compile  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory(prefix="otel-dspy-") as name:
        uri = f"sqlite:///{Path(name, 'mlflow.db')}"
        MlflowClient(uri).create_experiment(_EXPERIMENT, artifact_location=Path(name, "artifacts").as_uri())
        results: list[FileResult] = []
        Replay(tracking_uri=uri, experiment=_EXPERIMENT, workspace="", reports=False).run(paths, results.append)
        try:
            found = read_compile(uri, LATEST)
        except ReportError:
            raise ReportError(_nothing(results)) from None
    trials = tuple(replace(trial, run_id=None) for trial in found.trials)
    return Report(replace(found, run_id="", tracking_uri="", experiment_id="", trials=trials))


def _nothing(results: Sequence[FileResult]) -> str:
    names = ", ".join(str(result.path) for result in results)
    troubles = "".join(f" {result.path}: {result.reason}." for result in results if result.reason is not None)
    damaged = "".join(
        f" {result.path}: {counted(len(result.damaged), 'damaged line')}." for result in results if result.damaged
    )
    return f"There is no optimization with a trial in {names}.{troubles}{damaged}"
