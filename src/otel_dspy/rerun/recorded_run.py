"""The run of an optimization in MLflow: its trials with their scores, and the states of its programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import mlflow

from otel_dspy import semconv
from otel_dspy.mlflow.flushing import flush_before_reading
from otel_dspy.mlflow.mapping.artifacts.summary import SUMMARY
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.runs.connection import connected
from otel_dspy.reporting.runs.json_artifacts import RunArtifacts
from otel_dspy.reporting.runs.read_error import store_errors
from otel_dspy.reporting.runs.run_search import child_runs, find_run
from otel_dspy.reporting.runs.summary_rows import mapping, number, trial_rows
from otel_dspy.reporting.runs.unfinished_summary import summary_of_runs
from otel_dspy.rerun.errors import RerunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities import Run

    from otel_dspy.reporting.trials.trial_row import TrialRow

_PROGRAM: Final = "model.json"
_BEST_PROGRAM: Final = "best_model.json"


@dataclass(frozen=True)
class RecordedRun:
    """The run of an optimization.

    Attributes:
        client: client of the store.
        tracking_uri: the store.
        run: the optimization's own run.
        children: the runs of its trials, by index.
        summary: `optimization_summary.json`, or what it would contain so far.
    """

    client: MlflowClient
    tracking_uri: str
    run: Run
    children: Mapping[int, Run]
    summary: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its id and name, for messages."""
        return f"Run {self.run.info.run_id} ({self.run.info.run_name}, {self.run.info.status})"

    @property
    def finished(self) -> bool:
        """Whether the optimizer has returned a program."""
        return str(self.run.info.status) == "FINISHED"

    @property
    def best_score(self) -> float | None:
        """The score that the optimizer reports; None if it has none."""
        return number(self.summary.get("best_score"))

    @property
    def unit(self) -> str | None:
        """`percent` (0-100) or `ratio`."""
        return self.summary.get("score_unit")

    def trials(self) -> list[TrialRow]:
        """Return the trials by index."""
        return trial_rows(self.summary)

    def best_trial(self) -> TrialRow | None:
        """Return the trial whose program the optimizer returned; while there is none, the best full one."""
        trials = self.trials()
        chosen = next((trial for trial in trials if trial.is_best), None)
        if self.finished or (chosen is not None and chosen.score is not None):  # none if it is NaN
            return chosen
        scored = [
            (trial.score, trial)
            for trial in trials
            if trial.scope == "full" and trial.state == "complete" and trial.score is not None
        ]
        return max(scored, key=lambda pair: pair[0])[1] if scored else None

    def trial_state(self, index: int) -> dict[str, Any] | None:
        """Return the state of a trial's program; None if it was not recorded."""
        child = self.children.get(index)
        return None if child is None else self._state(child, _PROGRAM)

    def best_state(self) -> dict[str, Any] | None:
        """Return the state of the program that the optimizer returned; None if it was not recorded."""
        return self._state(self.run, _BEST_PROGRAM)

    def _state(self, run: Run, path: str) -> dict[str, Any] | None:
        with store_errors(self.tracking_uri):
            return mapping(RunArtifacts(self.tracking_uri, str(run.info.artifact_uri)).json(path)) or None


def recorded_run(run: str, tracking_uri: str | None = None, experiment: str | None = None) -> RecordedRun:
    """Read the run of an optimization that has finished, failed, was killed or is still running.

    MLflow is read once it has what this process has recorded.

    Args:
        run: id of the run, or `latest` for the optimization that started last.
        tracking_uri: the MLflow store; None for MLflow's current one.
        experiment: name of the experiment in which `latest` searches; None for all.

    Raises:
        RerunError: There is no such run, or it is not that of an optimization.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    flush_before_reading()
    uri = tracking_uri or mlflow.get_tracking_uri()
    with store_errors(uri):
        return _read(uri, run, experiment)


def _read(uri: str, run: str, experiment: str | None) -> RecordedRun:
    try:
        client = connected(uri)
        found = find_run(client, run, experiment)
    except ReportError as error:
        raise RerunError(str(error)) from None
    children = {
        int(child.data.tags[semconv.DSPY_TRIAL_INDEX]): child
        for child in child_runs(client, found)
        if semconv.DSPY_TRIAL_INDEX in child.data.tags
    }
    summary = mapping(RunArtifacts(uri, str(found.info.artifact_uri)).json(SUMMARY)) or summary_of_runs(found, children)
    return RecordedRun(client, uri, found, children, summary)
