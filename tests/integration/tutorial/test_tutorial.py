"""What MLflow's tutorial on tracking DSPy optimizers promises, looked up in MLflow after running it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import dspy
from inline_snapshot import Is, snapshot

from tests.integration.tutorial.conftest import API_KEY, run_example
from tests.integration.tutorial.math_lm import EXAMPLES, QUESTIONS, UNKNOWN_ANSWER
from tests.support.described_programs import DESCRIPTIONS
from tests.support.mlflow_server import free_port
from tests.support.programs import run_program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.tutorial.conftest import Tutorial
    from tests.support.mlflow_tree import SpanNode, TraceNode

TRIALS = 11
"""The program as it came, and the ten trials that `auto="light"` makes of six candidates and one predictor."""
VALIDATION_ROWS = 24
"""Four fifths of the 30 examples, which MIPROv2 takes for validation where none are given."""

PROPOSALS = 3
"""Instructions that are proposed for the predictor."""


def rows() -> list[list[str]]:
    """Give the tutorial's questions as rows of (question, answer), in file order."""
    return [[row["question"], row["answer"]] for row in json.loads(QUESTIONS.read_text(encoding="utf-8"))]


def table(artifact: dict[str, list[list[Any]]]) -> list[list[Any]]:
    """Give the rows of a table artifact."""
    return artifact["data"]


def spans_named(trace: TraceNode, start: str) -> list[SpanNode]:
    """Give the spans of the trace whose names begin so."""
    return [span for span in trace.walk() if span.name.startswith(start)]


def test_the_experiment_has_three_runs(tutorial: Tutorial) -> None:
    """Two evaluations and one optimization are three finished runs, and every child run is finished too."""
    assert [run.name for run in tutorial.tree.runs] == [
        "evaluate ChainOfThought",
        "MIPROv2 ChainOfThought",
        "evaluate ChainOfThought",
    ]
    assert {run.status for run in tutorial.tree.walk()} == {"FINISHED"}


def test_optimizer_parameters(tutorial: Tutorial) -> None:
    """The constructor's and compile's parameters are there, and what `auto="light"` resolved to."""
    assert tutorial.optimization.params == snapshot(
        {
            "metric": "exact_match",
            "prompt_model": "openai/scripted",
            "task_model": "openai/scripted",
            "max_bootstrapped_demos": "4",
            "max_labeled_demos": "4",
            "auto": "light",
            "num_threads": "4",
            "max_errors": "10",
            "provide_traceback": "False",
            "seed": "9",
            "init_temperature": "1.0",
            "verbose": "False",
            "track_stats": "True",
            "minibatch": "False",
            "minibatch_size": "35",
            "minibatch_full_eval_steps": "5",
            "program_aware_proposer": "True",
            "data_aware_proposer": "True",
            "view_data_batch_size": "10",
            "tip_aware_proposer": "True",
            "fewshot_aware_proposer": "True",
            "num_trials": "10",
            "num_instruct_candidates": "3",
            "num_fewshot_candidates": "6",
            "lm.model_type": "chat",
            "lm.cache": "True",
            "lm.num_retries": "3",
            "lm.model": "openai/scripted",
            "forecast.lm_calls.low": Is(str(276 + PROPOSALS * DESCRIPTIONS)),
            "forecast.lm_calls.high": Is(str(293 + PROPOSALS * DESCRIPTIONS)),
            "forecast.role.task.lm_calls.low": "271",
            "forecast.role.task.lm_calls.high": "288",
            "forecast.role.prompt.lm_calls.low": Is(str(5 + PROPOSALS * DESCRIPTIONS)),
            "forecast.role.prompt.lm_calls.high": Is(str(5 + PROPOSALS * DESCRIPTIONS)),
        }
    )


def test_programs(tutorial: Tutorial) -> None:
    """The first, each intermediate and the optimized program are loadable, and are the ones that the trials tried."""
    run = tutorial.optimization
    initial = loaded(run.artifacts["initial_model.json"])
    assert (initial.signature.instructions, initial.demos) == (
        "Given the fields `question`, produce the fields `answer`.",
        [],
    )
    tried = [loaded(trial.artifacts["model.json"]) for trial in tutorial.trials]
    assert len(tried) == TRIALS
    # The same choice of instruction and examples is the same program, a different one is a different program.
    chosen = [
        (trial.params["0_predictor_instruction"], trial.params["0_predictor_demos"]) for trial in tutorial.trials[1:]
    ]
    states = [json.dumps(trial.artifacts["model.json"]["predict"], sort_keys=True) for trial in tutorial.trials[1:]]
    assert len(set(zip(chosen, states, strict=True))) == len(set(chosen))
    best = loaded(run.artifacts["best_model.json"])
    best_trial = tutorial.trials[int(run.tags["dspy.compile.best_trial.index"])]
    winner = loaded(best_trial.artifacts["model.json"])
    assert (best.signature.instructions, best.demos) == (winner.signature.instructions, winner.demos)
    assert best.demos


def test_the_best_program_is_a_logged_model(tutorial: Tutorial) -> None:
    """MLflow's GenAI view finds the optimized program: a model, READY, on the parent run and on one of its trials."""
    [model] = tutorial.optimization.models
    assert (model.status, model.artifacts["best_model.json"]) == (
        "READY",
        tutorial.optimization.artifacts["best_model.json"],
    )
    assert [m.name for trial in tutorial.trials for m in trial.models] == [model.name]


def test_datasets(tutorial: Tutorial) -> None:
    """30 examples are 30 rows, written once; the validation rows and the test questions are there as well."""
    run = tutorial.optimization
    assert table(run.artifacts["trainset.json"]) == rows()[:30]
    validation = table(run.artifacts["valset.json"])
    assert len(validation) == VALIDATION_ROWS
    assert all(row in rows()[:30] for row in validation)
    assert [(role, name) for role, name, _digest in run.inputs] == [("train", "trainset"), ("validation", "valset")]
    for evaluation in (tutorial.tree.runs[0], tutorial.tree.runs[2]):
        assert table(evaluation.artifacts["evalset.json"]) == rows()[30:]


def test_progression_of_the_metric(tutorial: Tutorial) -> None:
    """Each trial is a child run with its parameters and score, and a step of the parent's metric."""
    run, trials = tutorial.optimization, tutorial.trials
    scores = [trial.metrics["score/full"][0][1] for trial in trials]
    assert run.metrics["score/full"] == tuple(enumerate(scores))
    assert [best for step, best in run.metrics["score/best"] if step < TRIALS] == [
        max(scores[: index + 1]) for index in range(TRIALS)
    ]
    assert run.metrics["score/initial"][-1][1] == scores[0] < max(scores)
    assert [trial.tags["dspy.trial.kind"] for trial in trials] == ["baseline"] + ["candidate"] * 10
    assert all(set(trial.params) == {"0_predictor_instruction", "0_predictor_demos"} for trial in trials[1:])


def test_result_tables_give_the_scores(tutorial: Tutorial) -> None:
    """Each trial's table has a row an example, and its mean is the trial's score."""
    for trial in tutorial.trials:
        results = trial.artifacts["result_table.json"]
        scores = [row[results["columns"].index("score")] for row in results["data"]]
        assert len(scores) == VALIDATION_ROWS
        assert round(100 * sum(scores) / len(scores), 2) == trial.metrics["score/full"][0][1]


def test_each_example_is_a_scored_trace_of_its_trial(tutorial: Tutorial) -> None:
    """Every validation example has one trace in the trial's run, with the metric's score as an assessment."""
    for trial in tutorial.trials:
        assert len(trial.traces) == VALIDATION_ROWS
        scored: list[tuple[str, float]] = []
        for trace in trial.traces:
            [assessment] = trace.assessments
            assert (assessment.name, assessment.source, trace.state) == ("exact_match", "CODE", "OK")
            assert isinstance(assessment.value, float)
            scored.append((trace.tags["dspy.example.index"], assessment.value))
        results = trial.artifacts["result_table.json"]
        index, score = results["columns"].index("index"), results["columns"].index("score")
        assert sorted(scored) == sorted((str(row[index]), row[score]) for row in results["data"])
    assert tutorial.tree.traces == ()


def test_a_trace_records_the_execution_of_the_program(tutorial: Tutorial) -> None:
    """A trace goes from the example through the program and its predictor to the prompt and the model's response."""
    for trace in tutorial.trials[0].traces:
        [root] = trace.spans
        assert [span.name for span in root.walk()] == [
            "example exact_match",
            "module ChainOfThought",
            "module Predict",
            "chat scripted",
        ]
        [chat] = spans_named(trace, "chat")
        question = json.loads(trace.request_preview or "")["question"]
        assert question in json.dumps(chat.inputs)
        answer = json.loads(trace.response_preview or "")["answer"]
        assert f"[[ ## answer ## ]]\\n{answer}" in json.dumps(chat.outputs)


def test_intermediate_prompts_are_in_the_optimization_s_trace(tutorial: Tutorial) -> None:
    """The optimization's own trace has its phases, and the prompts that proposed the instructions of the trials."""
    [trace] = tutorial.optimization.traces
    [root] = trace.spans
    assert [span.name for span in root.children if span.name.startswith("phase")] == [
        "phase bootstrap",
        "phase propose",
        "phase search",
    ]
    [propose] = [span for span in root.children if span.name == "phase propose"]
    responses = "".join(json.dumps(span.outputs) for span in propose.walk() if span.name.startswith("chat"))
    assert all(span.inputs for span in propose.walk() if span.name.startswith("chat"))
    proposed = {
        loaded(trial.artifacts["model.json"]).signature.instructions
        for trial in tutorial.trials
        if trial.params.get("0_predictor_instruction", "0") != "0"
    }
    assert proposed
    assert all(instruction in responses for instruction in proposed)


def test_tokens_calls_and_cost_are_recorded(tutorial: Tutorial) -> None:
    """The parent's totals never fall and hold what the trials used; the model has no known price, so there is no cost."""
    run = tutorial.optimization
    for name in ("usage/input_tokens", "usage/output_tokens", "usage/lm_calls", "usage/cache_hits"):
        totals = [value for _step, value in run.metrics[name]]
        assert totals == sorted(totals)
        assert totals[-1] >= sum(trial.metrics[name][0][1] for trial in tutorial.trials if name in trial.metrics)
    for tracked in run.walk():
        # A compile that calls no model (LabeledFewShot) costs nothing, which is known.
        costs = [value for name in tracked.metrics if "cost" in name for _step, value in tracked.metrics[name]]
        assert costs == ([] if tracked.metrics["usage/lm_calls"][-1][1] else [0.0])
    last = {name: points[-1][1] for name, points in run.metrics.items()}
    assert last["usage/unpriced_calls"] == last["usage/lm_calls"] - last["usage/cache_hits"]
    assert last["usage/cache_hits"] > 0
    assert last["usage/model/openai/scripted/lm_calls"] == last["usage/lm_calls"]


def test_the_key_is_nowhere(tutorial: Tutorial) -> None:
    """The API key that the model's server got stands in no file of the store and in no output."""
    assert API_KEY not in tutorial.output
    files = [path for path in tutorial.store.rglob("*") if path.is_file() and "cache" not in path.parts]
    assert any(path.name == "mydb.sqlite" for path in files)
    assert [path for path in files if API_KEY.encode() in path.read_bytes()] == []


def test_the_optimised_program_loads_back(tutorial: Tutorial) -> None:
    """`examples/load_optimized.py` loads `best_model.json` in a new process, by run id and without one, and it works."""
    by_id = run_example("load_optimized.py", tutorial.environment, tutorial.optimization.id)
    newest = run_example("load_optimized.py", tutorial.environment)
    best = loaded(tutorial.optimization.artifacts["best_model.json"])
    assert by_id == newest
    assert by_id.splitlines() == [
        f"Run {tutorial.optimization.id}: {len(best.demos)} examples, instruction: {best.signature.instructions}",
        f"Answer: {UNKNOWN_ANSWER}",
    ]


def test_before_and_after_are_printed(tutorial: Tutorial) -> None:
    """The example's own words agree with the two evaluations in MLflow."""
    before, after = (tutorial.tree.runs[place].metrics["score/full"][0][1] for place in (0, 2))
    assert f"Right answers on 10 new questions: {before:.0f} % before, {after:.0f} % after." in tutorial.output
    assert before < after


def loaded(state: dict[str, Any]) -> Any:
    """Load a program's state as DSPy does, and give its one predictor."""
    program: Any = dspy.ChainOfThought("question -> answer")
    program.load_state(state)
    return program.predictors()[0]


def test_without_a_server(tmp_path: Path) -> None:
    """The program ends with the cause, before MLflow's own client tries for minutes."""
    address = f"http://127.0.0.1:{free_port()}"
    environment = os.environ | {"MLFLOW_TRACKING_URI": address, "OTEL_DSPY_SPOOL_DIR": str(tmp_path)}
    done = run_program(file=EXAMPLES / "tutorial.py", environment=environment)
    assert done.returncode == 1
    assert f"XX mlflow    the MLflow health check of {address} failed: [Errno 111] Connection refused" in done.stderr
