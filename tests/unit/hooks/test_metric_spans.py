"""A metric's span: where it asks a model or raises, and nowhere else."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import dspy
import pytest
from inline_snapshot import snapshot
from opentelemetry import trace

from tests.support.addition_task import addition_lm, exact, examples, raising_metric
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording
from tests.support.with_and_without import same_with_and_without

JUDGE = in_process_lm(dspy_script({"verdict": lambda _: "yes"}), "openai/judging")
judge = dspy.Predict("question, answer -> verdict")
SHOWN = ("metric.name", "lm.role", "error.type")


def _ask(example: Any, prediction: Any) -> bool:
    with dspy.context(lm=JUDGE):
        texts: Any = judge(question=example["question"], answer=prediction["answer"])
    return texts["verdict"] == "yes"


def judged(example: Any, prediction: Any, trace: object = None) -> bool:
    """Asks twice."""
    del trace
    return _ask(example, prediction) and _ask(example, prediction)


def judged_by_await(example: Any, prediction: Any, trace: object = None) -> bool:
    """Asks by awaiting."""
    del trace

    async def ask() -> Any:
        with dspy.context(lm=JUDGE):
            return await judge.acall(question=example["question"], answer=prediction["answer"])

    return asyncio.run(ask())["verdict"] == "yes"


def judged_in_threads(example: Any, prediction: Any, trace: object = None) -> bool:
    """Asks twice at the same time."""
    del trace
    inputs = dspy.Example(question=example["question"], answer=prediction["answer"]).with_inputs("question", "answer")
    parallel: Any = dspy.Parallel(num_threads=2, disable_progress_bar=True)
    with dspy.context(lm=JUDGE):
        return len(parallel([(judge, inputs), (judge, inputs)])) == 2


def judged_by_the_model_alone(example: Any, prediction: Any, trace: object = None) -> bool:
    """Asks without a module."""
    del example, prediction, trace
    model: Any = in_process_lm(lambda _: "yes", "openai/judging")
    return model("Is it so?") == ["yes"]


def judged_and_broken(example: Any, prediction: Any, trace: object = None) -> bool:
    """Asks, and then raises."""
    _ask(example, prediction)
    return raising_metric(example, prediction, trace) > 2


def _evaluate(metric: Any, program: Any = None, count: int = 1) -> float:
    evaluate: Any = dspy.Evaluate(devset=examples(count), metric=metric, num_threads=1)
    with dspy.context(lm=addition_lm()):
        return evaluate(program or dspy.Predict("question -> answer")).score


@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("metric", [judged, judged_by_await, judged_in_threads])
def test_a_judge_is_a_child_of_its_metric(metric: Any, *, content: bool) -> None:
    """What the metric calls is below one span of the metric's, awaited and in threads too, in the role of a judge."""
    recorder = same_with_and_without(lambda: _evaluate(metric), capture_content=content)
    calls = ["    module Predict", "      chat judging lm.role=judge"]
    name = metric.__name__
    assert recorder.tree("example", *SHOWN) == [
        f"example {name} metric.name={name}",
        "  module Predict",
        "    chat scripted lm.role=task",
        f"  metric {name} metric.name={name}",
        *calls * (1 if metric is judged_by_await else 2),
    ]


def test_the_metric_lasts_from_the_answer_to_the_score() -> None:
    """Its span begins where the program's ends and ends before the example's."""
    entered: list[int] = []

    def metric_of_two_calls(example: Any, prediction: Any, trace: object = None) -> bool:
        entered.append(time.time_ns())
        return judged(example, prediction, trace)

    with recording() as recorder:
        _evaluate(metric_of_two_calls)
    (example,), (metric,) = recorder.named("example"), recorder.named("metric")
    program, first, second = recorder.named("module")
    at: Any = [
        program.end_time,
        metric.start_time,
        *entered,
        first.start_time,
        second.end_time,
        metric.end_time,
        example.end_time,
    ]
    assert at == sorted(at)


def test_a_plain_metric_has_no_span() -> None:
    """A function that only compares adds nothing, however many examples there are."""
    with recording() as recorder:
        _evaluate(exact, count=5)
    assert recorder.named("metric") == []


def test_a_metric_that_raises_has_the_error_on_its_own_span() -> None:
    """Its span has the message, the example's the type alone; one that asked before has its calls below."""
    recorder = same_with_and_without(lambda: [_evaluate(raising_metric, count=2), _evaluate(judged_and_broken)])
    assert recorder.tree("example", "error.type") == snapshot(
        [
            "example raising_metric error.type=ValueError ERROR()",
            "  module Predict",
            "    chat scripted",
            "  metric raising_metric error.type=ValueError ERROR(the metric is broken)",
            "example raising_metric",
            "  module Predict",
            "    chat scripted",
            "example judged_and_broken error.type=ValueError ERROR()",
            "  module Predict",
            "    chat scripted",
            "  metric judged_and_broken error.type=ValueError ERROR(the metric is broken)",
            "    module Predict",
            "      chat judging",
        ]
    )


def test_a_program_that_raises_is_not_the_metric() -> None:
    """The metric was never called: no span of it."""

    class Broken(dspy.Module):
        def forward(self, question: str) -> Any:
            raise ArithmeticError(question)

    recorder = same_with_and_without(lambda: _evaluate(judged, Broken()))
    assert recorder.tree("example", "error.type") == snapshot(
        ["example judged error.type=ArithmeticError ERROR()", "  module Broken error.type=ArithmeticError ERROR(0+1)"]
    )


def test_a_call_of_the_model_alone() -> None:
    """A metric that calls the model without a module has it below its span."""
    with recording() as recorder:
        _evaluate(judged_by_the_model_alone)
    assert recorder.tree("example", "lm.role") == snapshot(
        [
            "example judged_by_the_model_alone",
            "  module Predict",
            "    chat scripted lm.role=task",
            "  metric judged_by_the_model_alone",
            "    chat judging lm.role=judge",
        ]
    )


def test_an_evaluation_in_a_metric() -> None:
    """A metric that evaluates has the evaluation below its span, and everything there is the judge's."""

    def inner(example: Any, prediction: Any, trace: object = None) -> Any:
        del example, prediction, trace
        return _evaluate(judged) / 100

    with recording(trace_shape="nested") as recorder:
        _evaluate(inner)
    assert recorder.tree("evaluate", "lm.role") == snapshot(
        [
            "evaluate inner",
            "  dataset evaluation",
            "  example inner",
            "    module Predict",
            "      chat scripted lm.role=task",
            "    metric inner",
            "      evaluate judged",
            "        dataset evaluation",
            "        example judged",
            "          module Predict",
            "            chat scripted lm.role=judge",
            "          module Predict",
            "            chat judging lm.role=judge",
            "          module Predict",
            "            chat judging lm.role=judge",
        ]
    )


def test_a_span_of_the_users_own_in_a_metric_keeps_what_it_holds() -> None:
    """Calls under a span that the metric opens itself stay there."""
    with recording() as recorder:
        tracer = trace.get_tracer("theirs", tracer_provider=recorder.capture.tracer_provider)

        def metric(example: Any, prediction: Any, trace: object = None) -> bool:
            del trace
            with tracer.start_as_current_span("theirs"):
                return _ask(example, prediction)

        _evaluate(metric)
    assert recorder.tree("example") == snapshot(
        [
            "example metric",
            "  module Predict",
            "    chat scripted",
            "  theirs",
            "    module Predict",
            "      chat judging",
        ]
    )


def test_in_an_optimization() -> None:
    """In each example of each trial the judge stands in its metric; the roll-ups are those without the span."""
    with dspy.context(lm=addition_lm()), recording(trace_shape="nested") as recorder:
        Rounds(judged, rounds=2).compile(dspy.Predict("question -> answer"), trainset=examples(2))
    assert len(recorder.named("metric")) == len(recorder.named("example")) == 4
    assert [recorded["usage.role.judge.lm_calls"] for recorded in recorder.attributes_of("trial")] == [4, 4]


def _function(question: str) -> Any:
    return dspy.Predict("question -> answer")(question=question)


class OwnCall(dspy.Module):
    """A program with a `__call__` of its own, which asks twice."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("question -> answer")

    def __call__(self, **inputs: Any) -> Any:
        """Ask, and ask again."""
        self.answer(**inputs)
        return self.answer(**inputs)


@pytest.mark.parametrize(("program", "calls"), [(_function, 1), (OwnCall(), 2)])
def test_a_program_whose_end_is_not_observed(program: Any, calls: int) -> None:
    """A plain function, and a module with a `__call__` of its own: the metric is distinguished from it all the same."""
    recorder = same_with_and_without(lambda: _evaluate(judged, program))
    assert recorder.tree("example", *SHOWN) == [
        "example judged metric.name=judged",
        *["  module Predict", "    chat scripted lm.role=task"] * calls,
        "  metric judged metric.name=judged",
        *["    module Predict", "      chat judging lm.role=judge"] * 2,
    ]
    assert [recorded["usage.role.judge.lm_calls"] for recorded in recorder.attributes_of("evaluate")] == [2]


def test_a_metric_that_raises_after_a_function() -> None:
    """Its span has the message; what the function raises is none of the metric's."""

    def broken(question: str) -> Any:
        raise ArithmeticError(question)

    recorder = same_with_and_without(lambda: [_evaluate(raising_metric, _function), _evaluate(judged, broken)])
    assert recorder.tree("example", "error.type") == snapshot(
        [
            "example raising_metric error.type=ValueError ERROR()",
            "  module Predict",
            "    chat scripted",
            "  metric raising_metric error.type=ValueError ERROR(the metric is broken)",
            "example judged error.type=ArithmeticError ERROR(0+1)",
        ]
    )


def test_a_plain_metric_of_a_function_has_no_span() -> None:
    """It only compares."""
    with recording() as recorder:
        _evaluate(exact, _function, count=3)
    assert recorder.named("metric") == []
