"""Usage of a past optimization, which forecasts read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.runs.past_usage import past_usage
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

TAGS = {"dspy.optimizer.name": "BootstrapFewShotWithRandomSearch", "dspy.program.name": "Sums"}


def test_the_latest_one_is_found_below_its_inner_optimizations(tmp_path: Path) -> None:
    """A random search of 50 candidates has more than 100 compiles in it, all of which start after it."""
    uri = blank_store(tmp_path)
    client = MlflowClient(uri)
    experiment = client.create_experiment("sums", artifact_location=(tmp_path / "artifacts").as_uri())
    outer = client.create_run(experiment, start_time=1_000, tags=TAGS).info.run_id
    client.log_dict(outer, {"optimizer": TAGS["dspy.optimizer.name"], "duration": 2.0}, "optimization_summary.json")
    client.set_terminated(outer)
    for number in range(101):
        inner = client.create_run(
            experiment, start_time=2_000 + number, tags=TAGS | {"dspy.compile.parent.id": "c" * 32}
        )
        client.set_terminated(inner.info.run_id)
    failed = client.create_run(experiment, start_time=9_000, tags=TAGS).info.run_id
    client.set_terminated(failed, "FAILED")
    assert past_usage(uri, "latest", "Sums").run_id == outer
    assert past_usage(uri, "latest", "Sums", "sums").run_id == outer
    with pytest.raises(ReportError, match="no finished optimization of a program Others"):
        past_usage(uri, "latest", "Others")
