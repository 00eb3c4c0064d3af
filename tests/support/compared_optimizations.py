"""Small optimizations in one store, of programs that are right on different shares of the same examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import dspy
from mlflow import MlflowClient

import otel_dspy.mlflow
from tests.support.addition_task import exact, examples, half_right
from tests.support.blank_store import store_with_experiment
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

EXPERIMENT = "compared"


def right(inputs: Mapping[str, str]) -> str:
    """The sum."""
    return str(sum(int(term) for term in inputs["question"].split("+")))


@dataclass(frozen=True)
class Recorded:
    """A store with optimizations, by the id of their runs."""

    tracking_uri: str
    half: str
    """Right on 6 of 12 examples, with the instruction "Add."."""
    whole: str
    """Right on all 12 examples, with the instruction "Add the numbers."."""
    other: str
    """Right on all of 4 examples, of which the others have 2."""


def recorded(folder: Path) -> Recorded:
    """Record the optimizations."""
    uri = store_with_experiment(folder, EXPERIMENT)
    otel_dspy.mlflow.autolog(tracking_uri=uri, experiment=EXPERIMENT)
    try:
        for answer, instruction, valset in (
            (half_right, "Add.", examples(12)),
            (right, "Add the numbers.", examples(12)),
            (right, "Add the numbers.", examples(14)[10:]),
        ):
            optimize(answer, instruction, valset)
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    client = MlflowClient(uri)
    experiment: Any = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs(
        [experiment.experiment_id], "tags.`dspy.optimizer.name` != ''", order_by=["attributes.start_time ASC"]
    )
    return Recorded(uri, *(run.info.run_id for run in found))


def optimize(answer: Callable[[Mapping[str, str]], str], instruction: str, valset: Sequence[dspy.Example]) -> Any:
    """Optimize the sums with a model that answers so."""
    with dspy.context(lm=in_process_lm(dspy_script({"answer": answer}))):
        optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
            exact, max_bootstrapped_demos=1, max_labeled_demos=1, num_candidate_programs=1, num_threads=1
        )
        student = dspy.Predict(cast("Any", dspy).Signature("question -> answer", instruction))
        # The program without demos alone: one trial.
        return optimizer.compile(student, trainset=examples(3), valset=valset, restrict=[-3])
