"""`search_traces` by a score: MLflow's filters of feedback compare texts and numbers, and no truth values."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import dspy
import mlflow
from mlflow import MlflowClient

from tests.integration.end_to_end.conftest import tracked
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_right_answers_are_found_whatever_the_metric_returns(tmp_path: Path) -> None:
    """A bool and an int are stored as the float that DSPy counts: `>= 1` finds all right answers, `= '1'` none."""
    store, experiment = blank_store(tmp_path), f"scores-{uuid.uuid4().hex}"
    kinds: list[Callable[[Any], Any]] = [bool, int, float]
    with tracked(store, experiment), dspy.context(lm=addition_lm()):
        for kind in kinds:

            def metric(gold: Any, pred: Any, trace: object = None, kind: Callable[[Any], Any] = kind) -> Any:
                return kind(exact(gold, pred, trace))

            dspy.Evaluate(devset=examples(4), metric=metric, num_threads=1)(dspy.Predict("question -> answer"))
    client: Any = MlflowClient(store)
    place = [client.get_experiment_by_name(experiment).experiment_id]

    def found(condition: str) -> int:
        return len(client.search_traces(locations=place, filter_string=f"feedback.metric {condition}"))

    assert {condition: found(condition) for condition in (">= 1", "= '1.0'", "= '1'", "= 'true'", "< 1")} == {
        ">= 1": 6, "= '1.0'": 6, "= '1'": 0, "= 'true'": 0, "< 1": 6,
    }  # fmt: skip


def test_traces_are_found_beside_one_whose_score_is_nan(tmp_path: Path) -> None:
    """It is stored as the text `nan`: with the number MLflow returns no trace of the experiment as a data frame."""
    store, experiment = blank_store(tmp_path), f"nan-{uuid.uuid4().hex}"
    scores = iter([1.0, float("nan"), 0.0])

    def metric(*_: object) -> float:
        return next(scores)

    with tracked(store, experiment), dspy.context(lm=addition_lm()):
        evaluate = dspy.Evaluate(devset=examples(3), metric=metric, num_threads=1)
        evaluate(dspy.Predict("question -> answer"))
    mlflow.set_tracking_uri(store)
    place: Any = mlflow.get_experiment_by_name(experiment)
    frame: Any = mlflow.search_traces(locations=[place.experiment_id])
    values = [one["feedback"]["value"] for row in frame["assessments"] for one in row if "feedback" in one]
    assert sorted(map(str, values)) == ["0.0", "1.0", "nan"]
    assert "nan" in values
