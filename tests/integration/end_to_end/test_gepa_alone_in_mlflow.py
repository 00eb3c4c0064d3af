"""`gepa.optimize` and `mlflow.genai.optimize_prompts` in MLflow: a run with a child a proposal, and texts for programs."""

from __future__ import annotations

import json
from typing import Any

import mlflow
import mlflow.genai
import pytest
from inline_snapshot import snapshot
from mlflow import MlflowClient
from mlflow.genai.optimize.optimizers import GepaPromptOptimizer
from mlflow.genai.scorers import scorer

import otel_dspy
from tests.integration.end_to_end.conftest import tracked
from tests.support.blank_store import blank_store
from tests.support.gepa_texts import PROPOSALS, SEED, Digits, answer, optimize_texts, reflecting
from tests.support.lm_server import scripted_lm
from tests.support.mlflow_tree import read_tree
from tests.support.prompt_registry import register_prompt


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A local store with an experiment for each test."""
    folder = tmp_path_factory.mktemp("gepa")
    uri = blank_store(folder)
    for name in ("alone", "functions", "prompts"):
        MlflowClient(uri).create_experiment(name, artifact_location=(folder / name).as_uri())
    return uri


def test_the_run_of_gepa_optimize(store: str) -> None:
    """Parameters, scores, the tables of each trial, and the texts that were best."""
    with tracked(store, "alone"):
        result = optimize_texts(adapter=Digits())
    (run,) = read_tree(store, "alone").runs
    assert (run.name, run.status) == ("gepa Digits", "FINISHED")
    assert run.params["max_metric_calls"] == "30"
    assert run.params["adapter"] == "Digits"
    assert run.metrics["score/best"][-1][1] == max(result.val_aggregate_scores)
    assert run.artifacts["initial_model.json"] == SEED
    assert run.artifacts["best_model.json"] == result.best_candidate
    assert sorted(run.artifacts) == [
        "best_model.json", "initial_model.json", "optimization_summary.json", "trainset.json",
        "valset.json",
    ]  # fmt: skip
    assert {child.status for child in run.children} == {"FINISHED"}
    assert [child.name for child in run.children] == snapshot(
        [
            "trial 0: start, candidate 0",
            "trial 1: candidate 1, system of candidate 0 changed",
            "trial 2: system of candidate 1 changed",
            "trial 3: system of candidate 0 changed",
            "trial 4: system of candidate 0 changed",
            "trial 5: proposal from candidate 1",
        ]
    )
    accepted = run.children[1]
    assert accepted.metrics["score/full"] == accepted.metrics["score/objective/right"] == ((0, 0.6666666666666666),)
    assert accepted.metrics["search/metric_calls_left"] == ((0, 14.0),)
    table = accepted.artifacts["result_table.json"]
    assert table["columns"] == [
        "index", "example_input", "example_answer", "example_additional_context", "pred_value", "score",
        "objective/right", "objective/short", "example_id",
    ]  # fmt: skip
    assert table["data"][1][:-1] == [1, "a1", "1", {}, "1", 1.0, 1.0, 0.0]
    assert "-Knows 0.\n+Knows 1 2.\n" in accepted.artifacts["changes.md"]
    assert {"scores.json", "pareto_front.json", "candidate.json", "result_table_parent.json"} <= set(accepted.artifacts)
    assert [trace.name for trace in run.traces] == ["gepa Digits"]
    assert len(accepted.traces) == 10
    last = accepted.traces[-1]
    found = [(one.name, one.value) for one in last.assessments]
    assert found == [("Digits", 1.0), ("Digits/right", 1.0), ("Digits/short", 0.0)]


def test_calls_of_plain_functions_are_unknown(store: str) -> None:
    """Neither metrics nor texts of a run state that no model was called: description, summary, report, comparison."""
    with tracked(store, "functions"):
        optimize_texts()
    (run,) = read_tree(store, "functions").runs
    assert [name for one in (run, *run.children) for name in one.metrics if name.startswith("usage/")] == []
    assert run.artifacts["optimization_summary.json"]["usage"] == {
        "input_tokens": None, "output_tokens": None, "lm_calls": None, "cache_hits": None, "cost": None,
    }  # fmt: skip
    outputs = [str(span.outputs) for trace in run.traces for span in trace.walk()]
    assert len(outputs) > 20
    assert not any("in_all_traces" in text for text in outputs)
    found = otel_dspy.report(run.id, tracking_uri=store)
    assert "model calls were not observed" in found.description
    data = json.loads(found.json)
    assert data["usage"] == {"calls": None, "tokens": None, "cost": None, "unpriced_calls": 0}
    assert {trial["tokens"] for trial in data["trials"]} == {None}
    page = found.html
    assert "model calls were not observed" in page
    assert "model calls were not observed" in str(found)
    assert "0 calls" not in page
    assert "0 tokens" not in page
    compared = str(otel_dspy.compare(run.id, run.id, tracking_uri=store))
    assert "0 tokens" not in compared
    assert compared.count("not observed") >= 6


@scorer
def right(outputs: str, expectations: dict[str, Any]) -> float:
    """Whether the expected answer was given."""
    return float(outputs == expectations["expected_response"])


@pytest.mark.slow  # imports litellm, and MLflow evaluates in threads
def test_mlflows_optimize_prompts(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own run is the parent; ours has the proposals, with the tokens of the reflection model."""
    reflect = reflecting([f"{{{{question}}}} {text}" for text in PROPOSALS])
    mlflow.set_tracking_uri(store)
    mlflow.set_experiment("prompts")
    with scripted_lm(lambda _: reflect(None)) as server, tracked():
        monkeypatch.setenv("OPENAI_API_BASE", server.api_base)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
        prompt = register_prompt("digits", "{{question}} Knows 0.")

        def predict(question: str) -> str:
            known: Any = mlflow.genai.load_prompt(prompt.uri).format(question=question)
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
    (parent,) = tree.runs
    assert parent.params["optimizer"] == "GepaPromptOptimizer"
    assert len(parent.metrics["eval_score"]) == 1  # MLflow itself logs the validation of the given prompt alone
    (run,) = parent.children
    assert (run.name, run.status) == ("gepa MlflowGEPAAdapter", "FINISHED")
    assert run.params["reflection_lm"] == "openai/reflecting"
    assert run.params["reflection_minibatch_size"] == "3"
    assert run.artifacts["best_model.json"] == {"digits": result.optimized_prompts[0].template}
    assert run.artifacts["best_model.json"] == {"digits": "{{question}} Knows 1 2."}
    assert run.metrics["score/best"][-1][1] == result.final_eval_score
    assert run.metrics["score/initial"][-1][1] == result.initial_eval_score
    assert run.metrics["usage/lm_calls/reflection"][-1][1] == len(server.requests)
    assert not any(name.startswith("usage/") for name in run.children[0].metrics)  # `predict` is a plain function
    assert [child.name for child in run.children] == [
        "trial 0: start, candidate 0",
        "trial 1: candidate 1, digits of candidate 0 changed",
        "trial 2: digits of candidate 1 changed",
    ]
    table = run.children[0].artifacts["result_table.json"]
    assert table["columns"] == [
        "index", "example_inputs", "example_outputs", "pred_value", "score", "objective/right", "example_id",
    ]  # fmt: skip
    assert table["data"][1][:-1] == [1, {"question": "a1"}, "1", "no idea", 0.0, 0.0]
    accepted = run.children[1].artifacts["result_table.json"]
    assert accepted["data"][1][:-1] == [1, {"question": "a1"}, "1", "1", 1.0, 1.0]
