"""The runs of an MLflow experiment as lines, read with what every MLflow since 2.21 has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import mlflow
from mlflow import MlflowClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Run, Trace


def run_lines(tracking_uri: str, experiment: str) -> list[str]:
    """A line a run, children below their parent: name, status, scores, datasets, artifacts."""
    mlflow.set_tracking_uri(tracking_uri)  # MLflow 2 asks this one for artifacts, whatever its client's URI is
    client = MlflowClient(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs: list[Run] = list(client.search_runs([found.experiment_id]))
    runs.sort(key=lambda run: int(run.data.tags.get("dspy.trial.index", -1)))

    def below(parent: str | None, depth: int) -> Iterator[str]:
        for run in runs:
            if run.data.tags.get("mlflow.parentRunId") == parent:
                yield "  " * depth + _line(client, run)
                yield from below(run.info.run_id, depth + 1)

    return list(below(None, 0))


def trace_count(tracking_uri: str, experiment: str) -> int:
    """How many traces there are."""
    return len(_traces(tracking_uri, experiment))


def trace_lines(tracking_uri: str, experiment: str) -> list[str]:
    """A line a trace, in order of their start: name, state, spans, scores, and whether it names a run."""
    traces = sorted(_traces(tracking_uri, experiment), key=_start)
    return [
        f"{trace.info.tags.get('mlflow.traceName')} {trace.info.state.value} {len(trace.data.spans)} spans"
        f" {[cast('Any', score).value for score in trace.info.assessments if score.feedback]}"
        + (" of a run" if "mlflow.sourceRun" in trace.info.trace_metadata else "")
        for trace in traces
    ]


def _traces(tracking_uri: str, experiment: str) -> list[Trace]:
    client = MlflowClient(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_traces(experiment_ids=[found.experiment_id]))


def _start(trace: Trace) -> int:
    """The start in nanoseconds: an evaluation and its first example may start in one of MLflow's milliseconds."""
    return min(int(span.start_time_ns) for span in trace.data.spans)


def _line(client: MlflowClient, run: Run) -> str:
    scores = {
        name: value for name, value in sorted(run.data.metrics.items()) if name in {"score/best", "score/initial"}
    }
    datasets = sorted(used.dataset.name for used in run.inputs.dataset_inputs) if run.inputs else []
    artifacts = sorted(str(file.path) for file in client.list_artifacts(run.info.run_id))
    params = [name for name in run.data.params if not name.startswith("forecast.")]
    words = [str(run.info.run_name), str(run.info.status)]
    words += [f"{name}={value:g}" for name, value in scores.items()]
    return " ".join([*words, f"{len(params)} params", f"datasets={datasets}", f"artifacts={artifacts}"])
