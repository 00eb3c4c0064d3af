"""Records of a finished optimization in MLflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import dspy
import mlflow
import pytest
from inline_snapshot import Is, snapshot
from mlflow.artifacts import download_artifacts

from tests.integration.end_to_end.conftest import SERVER_IS_SLOW, optimize, tracked
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.blank_store import blank_store
from tests.support.described_programs import DESCRIPTIONS
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mlflow_tree import ExperimentTree, RunNode

PROPOSING: Final = 4 + 2 * DESCRIPTIONS
"""Calls for the two proposals."""
TASK_CALLS: Final = ((0, 6.0), (1, 8.0), (2, 10.0), (3, 16.0), (4, 18.0), (5, 24.0), (6, 24.0))
"""(step, calls of the task's model until then)."""


def _trials(run: RunNode) -> list[RunNode]:
    return [child for child in run.children if "dspy.trial.index" in child.tags]


def _score(trial: RunNode) -> float:
    """The trial's score, on the whole validation set or on a minibatch."""
    name = "score/minibatch" if trial.tags["dspy.trial.scope"] == "minibatch" else "score/full"
    return trial.metrics[name][-1][1]


def _compile(tree: ExperimentTree) -> RunNode:
    (run,) = tree.runs
    return run


@SERVER_IS_SLOW
def test_the_whole_run_tree(tracking_uri: str, tmp_path: Path) -> None:
    """Parent and child runs, parameters, scores by step, states, datasets, tables and traces are all there and true."""
    with tracked(tracking_uri, "tree"):
        best = optimize()
    tree = read_tree(tracking_uri, "tree")
    run = _compile(tree)
    assert (run.name, run.status) == ("MIPROv2 ChainOfThought", "FINISHED")
    assert run.params == snapshot(
        {
            "metric": "exact",
            "prompt_model": "openai/scripted",
            "task_model": "openai/scripted",
            "max_bootstrapped_demos": "1",
            "max_labeled_demos": "1",
            "num_candidates": "2",
            "num_threads": "2",
            "max_errors": "10",
            "provide_traceback": "False",
            "seed": "9",
            "init_temperature": "1.0",
            "verbose": "False",
            "track_stats": "True",
            "num_trials": "3",
            "minibatch": "True",
            "minibatch_size": "2",
            "minibatch_full_eval_steps": "2",
            "program_aware_proposer": "True",
            "data_aware_proposer": "True",
            "view_data_batch_size": "10",
            "tip_aware_proposer": "True",
            "fewshot_aware_proposer": "True",
            "num_instruct_candidates": "2",
            "num_fewshot_candidates": "2",
            "lm.model_type": "chat",
            "lm.cache": "False",
            "lm.num_retries": "0",
            "lm.model": "openai/scripted",
            "forecast.lm_calls.low": Is(str(24 + PROPOSING)),
            "forecast.lm_calls.high": Is(str(24 + PROPOSING)),
            "forecast.role.task.lm_calls.low": "24",
            "forecast.role.task.lm_calls.high": "24",
            "forecast.role.prompt.lm_calls.low": Is(str(PROPOSING)),
            "forecast.role.prompt.lm_calls.high": Is(str(PROPOSING)),
        }
    )
    assert {
        name: points
        for name, points in run.metrics.items()
        if name.startswith(("score/", "usage/lm_")) and name != "score/initial"
    } == snapshot(
        {
            "score/best": ((0, 50.0), (1, 50.0), (2, 50.0), (3, 50.0), (4, 50.0), (5, 50.0), (6, 50.0)),
            "score/full": ((0, 50.0), (3, 50.0), (5, 50.0)),
            "score/minibatch": ((1, 100.0), (2, 50.0), (4, 0.0)),
            "usage/lm_calls": Is(tuple((step, PROPOSING + calls) for step, calls in TASK_CALLS)),
            "usage/lm_calls/prompt": Is(tuple((step, float(PROPOSING)) for step, _ in TASK_CALLS)),
            "usage/lm_calls/task": Is(TASK_CALLS),
        }
    )
    assert sorted(run.artifacts) == snapshot(
        [
            "best_model.json",
            "candidates/demos.json",
            "candidates/instructions.json",
            "initial_model.json",
            "optimization_summary.json",
            "trainset.json",
            "valset.json",
        ]
    )
    assert [len(run.artifacts[name]["data"]) for name in ("trainset.json", "valset.json")] == [4, 6]
    assert [(context, name) for context, name, _ in run.inputs] == snapshot(
        [("train", "trainset"), ("validation", "valset")]
    )
    assert [
        (trial.name, trial.status, trial.params, _score(trial), sorted(trial.artifacts)) for trial in _trials(run)
    ] == snapshot(
        [
            (
                "trial 0: start",
                "FINISHED",
                {},
                50.0,
                ["candidate.json", "changes.md", "model.json", "result_table.json"],
            ),
            (
                "trial 1: instruction 1 + demos 0",
                "FINISHED",
                {"0_predictor_instruction": "1", "0_predictor_demos": "0"},
                100.0,
                ["candidate.json", "changes.md", "model.json", "result_table.json"],
            ),
            (
                "trial 2: instruction 1 + demos 0",
                "FINISHED",
                {"0_predictor_instruction": "1", "0_predictor_demos": "0"},
                50.0,
                ["candidate.json", "changes.md", "model.json", "result_table.json"],
            ),
            (
                "trial 3: instruction 1 + demos 0",
                "FINISHED",
                {"0_predictor_instruction": "1", "0_predictor_demos": "0"},
                50.0,
                ["candidate.json", "changes.md", "model.json", "result_table.json"],
            ),
            (
                "trial 4: instruction 1 + demos 1",
                "FINISHED",
                {"0_predictor_instruction": "1", "0_predictor_demos": "1"},
                0.0,
                ["candidate.json", "changes.md", "model.json", "result_table.json"],
            ),
            (
                "trial 5: instruction 1 + demos 1",
                "FINISHED",
                {"0_predictor_instruction": "1", "0_predictor_demos": "1"},
                50.0,
                ["candidate.json", "changes.md", "model.json", "result_table.json"],
            ),
        ]
    )
    # What a trial chose stands among the candidates, at the indices that its parameters name.
    instructions, demos = (run.artifacts[f"candidates/{name}.json"] for name in ("instructions", "demos"))
    for trial in _trials(run)[1:]:
        state = trial.artifacts["model.json"]["predict"]
        chosen = instructions["predict"][int(trial.params["0_predictor_instruction"])]
        assert state["signature"]["instructions"] == chosen
        assert trial.artifacts["candidate.json"] == {"predict": {"instructions": chosen}}
        assert state["demos"] == demos["predict"][int(trial.params["0_predictor_demos"])]
        assert "".join(f"+{line}\n" for line in chosen.splitlines()) in trial.artifacts["changes.md"]
    # A run's start cannot be changed later: the first span that arrives must have it.
    lasted = {node.name: node.seconds or 0.0 for node in tree.walk()}
    assert min(lasted.values()) >= 0
    assert lasted[run.name] == max(lasted.values())
    # The numbers are those of DSPy's own returned object.
    logs = best.trial_logs
    full = [logs[number]["full_eval_score"] for number in sorted(logs) if "full_eval_score" in logs[number]]
    minibatch = [logs[number]["mb_score"] for number in sorted(logs) if "mb_score" in logs[number]]
    assert [value for _, value in run.metrics["score/full"]] == full
    assert [value for _, value in run.metrics["score/minibatch"]] == minibatch
    assert run.metrics["score/best"][-1][1] == best.score

    loaded = dspy.ChainOfThought("question -> answer")
    mlflow.set_tracking_uri(tracking_uri)
    loaded.load(download_artifacts(f"runs:/{run.id}/best_model.json", dst_path=str(tmp_path)))
    assert loaded.dump_state() == best.dump_state()
    (model,) = run.models
    assert model.status == "READY"
    assert [m.name for m in _trials(run)[-1].models] == [model.name]


@SERVER_IS_SLOW
def test_every_example_has_its_trace_and_score(tracking_uri: str) -> None:
    """Each evaluated example is one finished trace of its trial's run, with its score and every call inside."""
    with tracked(tracking_uri, "traces"):
        optimize()
    run = _compile(read_tree(tracking_uri, "traces"))
    for trial in _trials(run):
        table = trial.artifacts["result_table.json"]
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
        assert len(trial.traces) == len(rows) > 0
        scores = {trace.name: [a.value for a in trace.assessments] for trace in trial.traces}
        assert scores == {f"ChainOfThought example {row['index']}": [row["score"]] for row in rows}
        for trace in trial.traces:
            assert trace.state == "OK"
            assert [span.name for span in trace.walk()] == [
                "example exact",
                "module ChainOfThought",
                "module Predict",
                "chat scripted",
            ]
            assert all(span.inputs and span.outputs for span in trace.walk())


def test_server_and_local_store_hold_the_same(server_uri: str, tmp_path: Path) -> None:
    """The same optimization, tracked by a server and without one, reads back the same."""
    trees: list[ExperimentTree] = []
    for uri in (server_uri, blank_store(tmp_path)):
        with tracked(uri, "same"):
            optimize()
        # By requests: under this name of the host it is not the shared server, whose files would be read.
        trees.append(read_tree(uri.replace("127.0.0.1", "localhost"), "same"))
    first, second = ([_stable(run) for run in tree.walk()] for tree in trees)
    assert first == second


def _stable(run: RunNode) -> dict[str, Any]:
    """What does not differ from one optimization to the next: no ids, no times."""
    tags = {name: value for name, value in run.tags.items() if not name.endswith(("_id", ".id", "RunId", "Id"))}
    return {
        "name": run.name,
        "status": run.status,
        "params": run.params,
        "metrics": run.metrics,
        "tags": sorted(tags),
        "inputs": run.inputs,
        "artifacts": {name: content for name, content in run.artifacts.items() if name != "optimization_summary.json"},
        "models": [(model.name, model.status, model.artifacts) for model in run.models],
        "traces": sorted(
            json.dumps(
                [
                    trace.name,
                    trace.state,
                    trace.request_preview,
                    [assessment.value for assessment in trace.assessments],
                    [[span.name, span.inputs, span.outputs] for span in trace.walk()],
                ]
            )
            for trace in run.traces
        ),
    }


@SERVER_IS_SLOW
def test_a_standalone_evaluation(tracking_uri: str) -> None:
    """An Evaluate outside a compile is a run of its own; inside a user's run it is logged there, and left open."""
    evaluate = dspy.Evaluate(devset=examples(4), metric=exact, num_threads=1)
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_experiment("evaluations")
    with dspy.context(lm=addition_lm()), tracked():
        evaluate(dspy.Predict("question -> answer"))
        with mlflow.start_run(run_name="the user's own") as users:
            mlflow.log_param("mine", 1)
            evaluate(dspy.Predict("question -> answer"))
    runs = {run.name: run for run in read_tree(tracking_uri, "evaluations").runs}
    own, users_run = runs["evaluate Predict"], runs["the user's own"]
    assert (own.seconds or 0.0) > 0
    assert users_run.id == users.info.run_id
    for run in (own, users_run):
        assert run.metrics["score/full"] == ((0, 50.0),)
        assert {"result_table.json", "model.json"} <= set(run.artifacts)
        assert len(run.traces) >= 4
    assert users_run.params["mine"] == "1"
    assert {own.status, users_run.status} == {"FINISHED"}


def test_a_program_call_is_a_trace(tracking_uri: str) -> None:
    """A call outside compile and evaluation is one trace, with tokens and the model's answer."""
    with dspy.context(lm=addition_lm()), tracked(tracking_uri, "calls"):
        dspy.ChainOfThought("question -> answer")(question="3+3")
    (trace,) = read_tree(tracking_uri, "calls").traces
    assert [span.name for span in trace.walk()] == ["module ChainOfThought", "module Predict", "chat scripted"]
    assert trace.state == "OK"
    assert json.loads(trace.metadata["mlflow.trace.tokenUsage"]) == {
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 15,
        "cache_read_input_tokens": 4,
    }


@pytest.mark.parametrize(
    ("flags", "runs", "traces"),
    [
        ({"log_traces": False}, 8, 0),
        ({"log_traces_from_compile": False}, 8, 0),
        ({"log_evals": False}, 2, None),
        ({"log_compiles": False, "log_traces_from_compile": False}, 6, 0),  # the evaluations
    ],
)
def test_flags_leave_out_what_they_name(tmp_path: Path, flags: dict[str, bool], runs: int, traces: int | None) -> None:
    """Each flag of autolog leaves out its part and nothing else."""
    store = blank_store(tmp_path)
    with tracked(store, "flags", **flags):
        optimize()
    tree = read_tree(store, "flags")
    assert len(list(tree.walk())) == runs
    found = [trace for run in tree.walk() for trace in run.traces] + list(tree.traces)
    assert len(found) == traces if traces is not None else len(found) > 0
