"""The tutorial, run once: a real MLflow server, the scripted model, the example as a program of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mlflow
import pytest

from tests.integration.tutorial.math_lm import EXAMPLES, math_answer
from tests.support.blank_store import blank_store
from tests.support.lm_server import scripted_lm
from tests.support.mlflow_server import mlflow_server
from tests.support.mlflow_tree import read_tree
from tests.support.programs import run_program

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from tests.support.mlflow_tree import ExperimentTree, RunNode


API_KEY = "sk-tutorial-0123456789abcdef"


@dataclass(frozen=True)
class Tutorial:
    """What the tutorial left behind."""

    output: str
    """What it printed."""
    tree: ExperimentTree
    environment: Mapping[str, str]
    """What its programs were started with."""
    store: Path
    """Folder with the server's database and artifacts."""

    @property
    def optimization(self) -> RunNode:
        """The optimization's parent run."""
        [run] = [run for run in self.tree.runs if run.tags.get("dspy.optimizer.name") == "MIPROv2"]
        return run

    @property
    def trials(self) -> list[RunNode]:
        """Its child runs that are trials, by index."""
        return [run for run in self.optimization.children if "dspy.trial.index" in run.tags]


@pytest.fixture(scope="session")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Generator[Tutorial]:
    """Run `examples/tutorial.py`; server and model stay up for the tests that continue from there."""
    folder = tmp_path_factory.mktemp("tutorial")
    with (
        mlflow_server(folder / "server", backend=blank_store(folder, "mydb.sqlite")) as server,
        scripted_lm(math_answer) as lm,
    ):
        environment = os.environ | {
            "MLFLOW_TRACKING_URI": server.uri,
            "TUTORIAL_MODEL": "openai/scripted",
            "TUTORIAL_API_BASE": lm.api_base,
            "OPENAI_API_KEY": API_KEY,
            "DSPY_CACHEDIR": str(folder / "cache"),
        }
        output = run_example("tutorial.py", environment)
        assert all(seen.headers["authorization"] == f"Bearer {API_KEY}" for seen in lm.requests)
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(server.uri)  # a logged model's artifacts are found through it alone
        try:
            yield Tutorial(output, read_tree(server.uri, "DSPy-Optimization"), environment, folder)
        finally:
            mlflow.set_tracking_uri(before)


def run_example(name: str, environment: Mapping[str, str], *arguments: str) -> str:
    """Run a program of `examples/` to its end and give what it printed; fails with its errors if it does."""
    done = run_program(*arguments, file=EXAMPLES / name, environment=environment, patience=400)
    assert done.returncode == 0, done.stderr
    return done.stdout
