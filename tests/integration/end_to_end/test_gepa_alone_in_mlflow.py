"""`gepa.optimize` and `mlflow.genai.optimize_prompts` in MLflow: a run with a child a proposal, and texts for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from inline_snapshot import snapshot  # noqa: F401
from mlflow import MlflowClient
from mlflow.genai.optimize.optimizers import GepaPromptOptimizer
from mlflow.genai.scorers import scorer

from tests.blank_store import blank_store
from tests.gepa_texts import PROPOSALS, SEED, Digits, answer, optimize, reflecting
from tests.integration.end_to_end.conftest import tracked
from tests.lm_server import scripted_lm
from tests.mlflow_tree import read_tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A local store with an experiment for each test."""
    folder = tmp_path_factory.mktemp("gepa")
    uri = blank_store(folder)
    for name in ("alone", "prompts"):
        MlflowClient(uri).create_experiment(name, artifact_location=(folder / name).as_uri())
    return uri


def test_the_run_of_gepa_optimize(store: str) -> None:
    """Parameters, scores, the tables of each trial, and the texts that were best."""
    with tracked(store, "alone"):
        result = optimize(adapter=Digits())
    (run,) = read_tree(store, "alone").runs
    assert (run.name, run.status) == ("gepa Digits", "FINISHED")
    assert run.params["max_metric_calls"] == "30"
    assert run.params["adapter"] == "Digits"
    assert run.metrics["best_score"][-1][1] == max(result.val_aggregate_scores)
    assert run.artifacts["initial_model.json"] == SEED
    assert run.artifacts["best_model.json"] == result.best_candidate
    print(sorted(run.artifacts), run.artifacts["valset.json"])
    for child in run.children:
        print(child.name, child.status, sorted(child.artifacts), child.metrics)
    print(run.children[1].artifacts["result_table.json"])
    print(run.children[1].artifacts["changes.md"])
    for trace in read_tree(store, "alone").traces[:3]:
        print(trace)


@scorer
def right(outputs: str, expectations: dict[str, Any]) -> float:
    """Whether the expected answer was given."""
    return float(outputs == expectations["expected_response"])


def test_mlflows_optimize_prompts(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own run is the parent; ours has the proposals, with the tokens of the reflection model."""
    reflect = reflecting([f"{{{{question}}}} {text}" for text in PROPOSALS])
    mlflow.set_tracking_uri(store)
    mlflow.set_experiment("prompts")
    with scripted_lm(lambda _: reflect(None)) as server, tracked():
        monkeypatch.setenv("OPENAI_API_BASE", server.api_base)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
        prompt = mlflow.genai.register_prompt(name="digits", template="{{question}} Knows 0.")

        def predict(question: str) -> str:
            known = mlflow.genai.load_prompt(prompt.uri).format(question=question)
            return answer([{"content": known}, {"content": question}])

        data = [{"inputs": {"question": name}, "outputs": name[1:]} for name in ("a0", "a1", "a2", "b0", "b1", "b2")]
        result = mlflow.genai.optimize_prompts(
            predict_fn=predict,
            train_data=data,
            prompt_uris=[prompt.uri],
            optimizer=GepaPromptOptimizer("openai:/reflecting", max_metric_calls=20, gepa_kwargs={"seed": 5}),
            scorers=[right],
        )
    tree = read_tree(store, "prompts")
    print([(r.name, [c.name for c in r.children]) for r in tree.runs])
    (parent,) = tree.runs
    (run,) = parent.children
    assert (run.name, run.status) == ("gepa MlflowGEPAAdapter", "FINISHED")
    assert run.artifacts["best_model.json"] == {"digits": result.optimized_prompts[0].template}
    print(run.params, run.metrics)
    print(parent.params, parent.metrics, sorted(parent.artifacts))
    for child in run.children:
        print(child.name, child.status, sorted(child.artifacts), child.metrics)
    print(run.children[0].artifacts["result_table.json"])
    print(len(tree.traces), [t.name for t in tree.traces])
