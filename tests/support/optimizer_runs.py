"""Runs of an optimization in MLflow as a comparable text tree, a few lines per run.

best, runs = tracked_runs(tmp_path, lambda: optimizer.compile(...))
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow import MlflowClient

import otel_dspy.mlflow
from tests.support.blank_store import blank_store
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.support.mlflow_tree import ExperimentTree, RunNode

Result = TypeVar("Result")

EXPERIMENT = "optimization"
OURS = ("dspy.trial.", "dspy.compile.", "error.")
"""Beginnings of the tags that are drawn, but for ids."""


def tracked_tree(folder: Path, optimize: Callable[[], Result]) -> tuple[Result, ExperimentTree]:
    """What the optimization returned, and all that MLflow holds of it: in a sqlite file in the folder."""
    uri = blank_store(folder)
    # Without a server artifacts are stored below the working folder, unless the experiment has an artifact location.
    MlflowClient(uri).create_experiment(EXPERIMENT, artifact_location=(folder / "artifacts").as_uri())
    otel_dspy.mlflow.autolog(tracking_uri=uri, experiment=EXPERIMENT)
    try:
        result = optimize()
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    return result, read_tree(uri, EXPERIMENT)


def tracked_runs(folder: Path, optimize: Callable[[], Result]) -> tuple[Result, list[str]]:
    """What the optimization returned, and its runs as `drawn`."""
    result, tree = tracked_tree(folder, optimize)
    return result, [line for run in tree.runs for line in drawn(run)]


def drawn(run: RunNode, indent: str = "") -> Iterator[str]:
    """A run and all below it: name and status, then parameters, tags, metrics by step, artifacts, number of traces."""
    tags = {
        name: value
        for name, value in run.tags.items()
        if name.startswith(OURS) and not name.endswith((".id", ".ids", "error.message"))
    }
    metrics = {
        name: points[0][1] if len(points) == 1 else dict(points)
        for name, points in run.metrics.items()
        if not name.startswith("usage/") or name in {"usage/lm_calls", "usage/late_calls", "usage/embedding_calls"}
    }
    params = {name: value for name, value in run.params.items() if not name.startswith("forecast.")}
    yield f"{indent}{run.name}: {run.status}"
    for label, values in (("params", params), ("tags", tags), ("metrics", metrics)):
        if values:
            yield f"{indent}  {label} {_recorded(values)}"
    yield f"{indent}  artifacts {', '.join(sorted(run.artifacts))}"
    if run.traces:
        yield f"{indent}  {len(run.traces)} traces"
    for child in run.children:
        yield from drawn(child, indent + "    ")


def _recorded(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in sorted(values.items())
    )
