"""A script that ends right after its compile loses no data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.blank_store import blank_store
from tests.support.mlflow_tree import read_tree
from tests.support.programs import run_program

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.integration.mlflow.conftest import CallContext

SCRIPT = """
import sys
import dspy, mlflow, otel_dspy.mlflow
from dspy.utils.dummies import DummyLM

otel_dspy.mlflow.autolog()  # before the URI is set, as in MLflow's tutorial
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment(sys.argv[2])
dspy.configure(lm=DummyLM([{"answer": "2", "reasoning": "so"}] * 500))

def exact(example, prediction, trace=None):
    return float(example.answer == prediction.answer)

data = [dspy.Example(question=f"q{n}", answer="2" if n % 2 else "3").with_inputs("question") for n in range(20)]
optimizer = dspy.BootstrapFewShotWithRandomSearch(
    metric=exact, num_candidate_programs=1, max_bootstrapped_demos=1, num_threads=2
)
optimizer.compile(dspy.ChainOfThought("question -> answer"), trainset=data[:5], valset=data[5:])
"""


def run_script(text: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of a user's in a process of its own."""
    file = folder / "script.py"
    file.write_text(text)
    return run_program(*arguments, file=file, folder=folder)


def test_everything_is_delivered_at_exit(place: CallContext, tmp_path: Path) -> None:
    """The last line of the script is the compile: run, trials, programs and every example's trace are in MLflow."""
    done = run_script(SCRIPT, place.uri, place.experiment, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "interpreter shutdown" not in done.stderr
    (parent,) = read_tree(place.uri, place.experiment).runs
    assert (parent.name, parent.status) == ("BootstrapFewShotWithRandomSearch ChainOfThought", "FINISHED")
    assert "best_model.json" in parent.artifacts
    trials = [child for child in parent.children if child.name.startswith("trial")]
    assert [(run.status, len(run.traces), run.params["seed"]) for run in trials] == [
        ("FINISHED", 15, str(seed)) for seed in (-3, -2, -1, 0)
    ]
    assert {found.state for run in trials for found in run.traces} == {"OK"}


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_mlflows_own_autologging_is_warned_of_once(tmp_path: Path, first: str) -> None:
    """In either order of the two autologs one warning is logged."""
    ours, theirs = "otel_dspy.mlflow.autolog()", "mlflow.dspy.autolog()"
    lines = [ours, theirs] if first == "ours" else [theirs, ours]
    done = run_script(SCRIPT.replace(ours, "\n".join(lines), 1), blank_store(tmp_path), "both", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("mlflow.dspy.autolog(disable=True)") == 1
