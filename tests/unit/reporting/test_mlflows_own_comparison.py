"""`mlflow.genai.compare_evaluations`, which MLflow has from 3.18, on the runs of trials: docs/compare.md names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlflow.genai
import pytest
from mlflow import MlflowClient

from otel_dspy import semconv
from tests.support.addition_task import examples, half_right
from tests.support.compared_optimizations import optimize, right
from tests.support.recorded_run import recording_into

if TYPE_CHECKING:
    from pathlib import Path

_genai: Any = mlflow.genai
pytestmark = pytest.mark.skipif(
    not hasattr(_genai, "compare_evaluations"), reason="the installed MLflow has no mlflow.genai.compare_evaluations"
)


def test_pairs_ties_and_improvement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty pairs: ten ties and ten gains, and twenty ties."""
    with recording_into(tmp_path) as uri:
        for answer, instruction in ((half_right, "Add."), (right, "Add the numbers."), (right, "Add them.")):
            optimize(answer, instruction, examples(20))
    runs = MlflowClient(uri).search_runs(["1"], order_by=["attributes.start_time ASC"])
    half, whole, same = (run.info.run_id for run in runs if semconv.DSPY_TRIAL_INDEX in run.data.tags)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    gained, tied = _genai.compare_evaluations(whole, half), _genai.compare_evaluations(same, whole)
    found = [result.scorers["exact"] for result in (gained, tied)]
    assert [(one.n_paired, one.ties, one.diff, one.p_value) for one in found] == [
        (20, 10, 0.5, pytest.approx(2 / 2**10)),
        (20, 20, 0.0, 1.0),
    ]
    gained.assert_improved(["exact"])
    with pytest.raises(Exception, match="exact"):
        tied.assert_improved(["exact"])
