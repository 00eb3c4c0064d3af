"""`mlflow.genai` with DSPy programs: evaluation, prompt optimization, alignment of a judge. One trace a call."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow as untyped_mlflow
import pytest
from mlflow.entities import AssessmentSource
from mlflow.genai.judges import make_judge
from mlflow.genai.optimize.optimizers import GepaPromptOptimizer
from mlflow.genai.scorers import scorer

from tests.integration.mlflow.conftest import SERVER_IS_SLOW
from tests.integration.mlflow.fluent_calls import INSIDE, Answering, fluent_experiment, names, traces
from tests.support.lm_server import scripted_lm
from tests.support.mlflow_tree import read_tree
from tests.support.prompt_registry import register_prompt

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.integration.mlflow.conftest import CallContext

mlflow = cast("Any", untyped_mlflow)
SETTINGS_OF_DSPY: Any = dspy.settings


pytestmark = SERVER_IS_SLOW


@pytest.fixture
def experiment(place: CallContext) -> Generator[str]:
    """A fresh experiment that MLflow is set to, with `autolog` on; its store is the only one."""
    with fluent_experiment(place.uri, place.experiment) as name:
        yield name


@pytest.mark.parametrize("inside", ["DSPy alone", "spans of MLflow's"])
def test_mlflow_evaluates_a_program(experiment: str, inside: str) -> None:
    """`mlflow.genai.evaluate`: one trace a row, in the evaluation's run, with all spans and the scorers' assessments.

    A scorer that calls DSPy itself leaves no trace, as with MLflow alone.
    """
    traced = inside == "spans of MLflow's"
    program: Any = Answering() if traced else dspy.Predict("question -> answer")
    program.set_lm(SETTINGS_OF_DSPY.lm)  # MLflow calls it in threads of its own
    judge: Any = dspy.Predict("question -> answer")
    judge.set_lm(SETTINGS_OF_DSPY.lm)
    parallel: Any = dspy.Parallel(num_threads=2, disable_progress_bar=True)
    seen: list[int] = []

    def predict(question: str) -> str:
        return str(program(question=question).answer)

    @scorer
    def right(outputs: str, expectations: dict[str, Any], trace: Any) -> bool:
        seen.append(len(trace.data.spans))
        judge(question="Is it right?")
        parallel([(judge, {"question": "Is it right?"}), (judge, {"question": "Is it short?"})])
        return outputs == expectations["expected_response"]

    before = list(SETTINGS_OF_DSPY.callbacks)
    result = mlflow.genai.evaluate(
        data=[{"inputs": {"question": f"{n}+1"}, "expectations": {"expected_response": str(n + 1)}} for n in range(3)],
        predict_fn=predict,
        scorers=[right],
    )
    found = traces(experiment)
    expected: Any = INSIDE if traced else {"predict": [{"module Predict": ["chat scripted"]}]}
    assert [[names(root) for root in one.spans] for one in found] == [[expected]] * 3
    assert {one.metadata["mlflow.sourceRun"] for one in found} == {result.run_id}
    scores = [score.value for one in found for score in one.assessments if score.name == "right"]
    assert (scores.count(True), scores.count(False)) == (1, 2)
    assert seen == [6 if traced else 3] * 3
    assert before == SETTINGS_OF_DSPY.callbacks


def test_mlflow_optimizes_prompts(experiment: str) -> None:
    """`mlflow.genai.optimize_prompts` over a DSPy program: traces of rows in MLflow's run, the compile its child."""
    prompt = register_prompt(f"p-{uuid.uuid4().hex[:8]}", "Answer {{question}}")
    program: Any = dspy.Predict("question -> answer")
    program.set_lm(SETTINGS_OF_DSPY.lm)

    def predict(question: str) -> str:
        return str(program(question=prompt.format(question=question)).answer)

    @scorer
    def right(outputs: str, expectations: dict[str, Any]) -> float:
        return float(outputs == expectations["expected_response"])

    result = mlflow.genai.optimize_prompts(
        predict_fn=predict,
        train_data=[
            {"inputs": {"question": f"{n}+1"}, "expectations": {"expected_response": str(n + 1)}} for n in range(2)
        ],
        prompt_uris=[prompt.uri],
        optimizer=cast("Any", GepaPromptOptimizer)(reflection_model="openai:/unused", max_metric_calls=2),
        scorers=[right],
    )
    found = traces(experiment)
    parent, *ours = read_tree(mlflow.get_tracking_uri(), experiment).walk()
    assert [(run.name, run.status) for run in ours] == [
        ("gepa MlflowGEPAAdapter", "FINISHED"),
        ("trial 0: start, candidate 0", "FINISHED"),
    ]
    assert (parent.status, parent.children) == ("FINISHED", (ours[0],))
    assert not any(
        name.startswith("usage/") for run in ours for name in run.metrics
    )  # the calls are in MLflow's threads
    assert result.initial_eval_score == 0.5
    assert [(one.name, one.metadata["mlflow.sourceRun"]) for one in found] == [
        ("predict", parent.id),
        ("predict", parent.id),
        ("gepa MlflowGEPAAdapter", ours[0].id),
        ("MlflowGEPAAdapter example 0", ours[1].id),
        ("MlflowGEPAAdapter example 1", ours[1].id),
    ]
    rows = [[names(root) for root in one.spans] for one in found[:2]]
    assert rows == [[{"predict": [{"module Predict": ["chat scripted"]}]}]] * 2


def test_a_row_that_raises_is_scored_by_the_text_of_its_error(experiment: str) -> None:
    """MLflow gives the scorers a text in place of the answer: the trial has the score, the row's trace the error."""
    prompt = register_prompt(f"p-{uuid.uuid4().hex[:8]}", "Answer {{question}}")
    program: Any = dspy.Predict("question -> answer")
    program.set_lm(SETTINGS_OF_DSPY.lm)

    def predict(question: str) -> str:
        answer = str(program(question=prompt.format(question=question)).answer)
        if question == "1+1":
            raise ArithmeticError("too hard")
        return answer

    @scorer
    def answered(outputs: str) -> float:
        return float(bool(outputs))

    result = mlflow.genai.optimize_prompts(
        predict_fn=predict,
        train_data=[
            {"inputs": {"question": f"{n}+1"}, "expectations": {"expected_response": str(n + 1)}} for n in range(2)
        ],
        prompt_uris=[prompt.uri],
        optimizer=cast("Any", GepaPromptOptimizer)(reflection_model="openai:/unused", max_metric_calls=2),
        scorers=[answered],
    )
    traces(experiment)  # waits for the delivery
    _, _, seed = read_tree(mlflow.get_tracking_uri(), experiment).walk()
    assert (result.initial_eval_score, seed.metrics["score/full"]) == (1.0, ((0, 1.0),))
    rows = mlflow.search_traces(filter_string="trace.name = 'predict'", return_type="list")
    assert sorted(str(row.info.state) for row in rows) == ["ERROR", "OK"]


def simba_of_two_traces(**options: Any) -> Any:
    """MLflow's judge optimizer based on SIMBA, with a smaller required number of traces."""
    from mlflow.genai.judges.optimizers import (  # noqa: PLC0415 - it imports LiteLLM, which takes every worker seconds
        SIMBAAlignmentOptimizer,
    )

    class FewTraces(SIMBAAlignmentOptimizer):
        @classmethod
        def get_min_traces_required(cls) -> int:
            return 2

    return cast("Any", FewTraces)(**options)


def test_mlflow_aligns_a_judge(experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge's `align` runs SIMBA: one compile with its trials, whose examples are the labeled traces."""
    labels = ("yes", "no")
    with scripted_lm(lambda _: '{"result": "yes", "rationale": "because"}') as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
        monkeypatch.setenv("OPENAI_API_BASE", server.api_base)
        labeled: list[str] = []
        for label in labels:
            with mlflow.start_span("made") as span:
                span.set_inputs({"question": label})
                span.set_outputs({"answer": label})
            labeled.append(span.trace_id)
        mlflow.flush_trace_async_logging()
        human: Any = AssessmentSource(source_type="HUMAN", source_id="me")
        for trace_id, label in zip(labeled, labels, strict=True):
            mlflow.log_feedback(trace_id=trace_id, name="nice", value=label, source=human, rationale="so")
        judge: Any = make_judge(
            name="nice",
            instructions="Is {{ outputs }} nice for {{ inputs }}?",
            model="openai:/scripted",
            feedback_value_type=str,
        )
        steps = {"max_steps": 1, "num_candidates": 2, "num_threads": 1, "max_demos": 1}
        optimizer = simba_of_two_traces(model="openai:/scripted", batch_size=2, simba_kwargs=steps)
        aligned = judge.align([mlflow.get_trace(one) for one in labeled], optimizer)
    assert aligned.name == "nice"
    traces(experiment)
    tree = read_tree(mlflow.get_tracking_uri(), experiment)
    (run,) = tree.runs
    assert (run.name, run.status) == ("SIMBA CustomPredict", "FINISHED")
    assert run.children
    assert {child.status for child in run.children} == {"FINISHED"}
    assert [one.name for one in tree.traces] == ["made", "made"]
