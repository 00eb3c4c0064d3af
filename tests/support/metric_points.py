"""All points of the metrics of runs, as `tests.support.mlflow_tree` needs them."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mlflow.utils import credentials, rest_utils

from tests.support.shared_server_files import DATABASE, server_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run

_HISTORY = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
_RUNS_AT_ONCE = 100
"""As many as this route takes."""
Point: TypeAlias = tuple[int, float]
"""Step and value."""


def points_of_runs(
    tracking_uri: str, client: MlflowClient, runs: Sequence[Run]
) -> Callable[[str, str], Iterable[Point]]:
    """The (step, value) pairs of a run's metric.

    Those of a sqlite file, the shared server's too, or of another server are read for all runs together: for MLflow's client the store reads a run and all
    that belongs to it again for each of its metrics, which is a third of the time of a test.
    """
    if (files := server_files(tracking_uri)) is not None:
        found = _by_run_and_key(_in_file(str(files / DATABASE), runs))
    elif tracking_uri.startswith("sqlite:///"):
        found = _by_run_and_key(_in_file(tracking_uri.removeprefix("sqlite:///"), runs))
    elif tracking_uri.startswith("http"):
        found = _by_run_and_key(_on_server(tracking_uri, runs))
    else:
        return lambda run_id, key: [(point.step, point.value) for point in client.get_metric_history(run_id, key)]
    return lambda run_id, key: found[run_id, key]


def _by_run_and_key(points: Iterable[tuple[str, str, int, float]]) -> dict[tuple[str, str], list[Point]]:
    found: dict[tuple[str, str], list[Point]] = {}
    for run_id, key, step, value in points:
        found.setdefault((run_id, key), []).append((step, value))
    return found


def _in_file(path: str, runs: Sequence[Run]) -> Iterator[tuple[str, str, int, float]]:
    with closing(sqlite3.connect(path)) as database:
        for run in runs:
            for run_id, key, step, value, is_nan in database.execute(
                "SELECT run_uuid, key, step, value, is_nan FROM metrics WHERE run_uuid = ?", [run.info.run_id]
            ):
                yield run_id, key, step, math.nan if is_nan else value


def _on_server(tracking_uri: str, runs: Sequence[Run]) -> Iterator[tuple[str, str, int, float]]:
    """By the route of MLflow's own pages: one request for a metric of many runs."""
    for key in sorted({key for run in runs for key in run.data.metrics}):
        measured = [run.info.run_id for run in runs if key in run.data.metrics]
        for first in range(0, len(measured), _RUNS_AT_ONCE):
            answer: Any = rest_utils.http_request(
                credentials.get_default_host_creds(tracking_uri), _HISTORY, "GET",
                params={"run_id": measured[first : first + _RUNS_AT_ONCE], "metric_key": key},
            )  # fmt: skip
            points = cast("list[dict[str, Any]]", rest_utils.verify_rest_response(answer, _HISTORY).json()["metrics"])
            for point in points:
                yield point["run_id"], key, point["step"], point["value"]
