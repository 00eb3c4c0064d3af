"""What fails inside an evaluation or an optimization, and how often: DSPy continues as without instrumentation, and each failure is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, exact, examples, half_right
from tests.support.dspy_answers import dspy_script, input_fields
from tests.support.in_process_lm import in_process_lm
from tests.support.optimizers import Rounds
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.lm_server import Message


def _evaluated(program: Any, metric: Any = exact, *, max_errors: int = 100) -> Any:
    """Each example's score, and the whole's."""
    evaluate: Any = dspy.Evaluate(devset=examples(4), metric=metric, num_threads=1, max_errors=max_errors)
    result = evaluate(program)
    return result.score, [score for _, _, score in result.results]


def never(example: Any, prediction: Any, trace: object = None) -> float:
    """A metric that is broken."""
    del example, prediction, trace
    raise ZeroDivisionError("no such scale")


def test_a_metric_that_raises_on_every_example() -> None:
    """The score is 0, the trial is complete as DSPy sees it, and every row has the error."""

    def run() -> Any:
        with dspy.context(lm=addition_lm()):
            return _evaluated(dspy.Predict("question -> answer"), never)

    recorder = same_with_and_without(run)
    (evaluate,) = recorder.attributes_of("evaluate")
    assert {name: evaluate[f"evaluate.{name}"] for name in ("score", "num_errors", "num_examples")} == snapshot(
        {"score": 0.0, "num_errors": 4, "num_examples": 4}
    )
    assert recorder.tree("example", "error.type", "example.score")[:4] == snapshot(
        [
            "example never error.type=ZeroDivisionError ERROR()",
            "  module Predict",
            "    chat scripted",
            "  metric never error.type=ZeroDivisionError ERROR(no such scale)",
        ]
    )


def test_max_errors_end_an_optimization() -> None:
    """The metric's errors reach the limit: the evaluation, its trial and the compile end with what DSPy raises."""

    def run() -> Any:
        with dspy.context(lm=addition_lm(), max_errors=2):
            return Rounds(never).compile(dspy.Predict("question -> answer"), trainset=examples(4))

    recorder = same_with_and_without(run)
    assert recorder.tree("compile", "error.type", "trial.state", "trial.score", "evaluate.num_errors") == snapshot(
        [
            "compile Rounds error.type=Exception ERROR(Execution cancelled due to errors or interruption.)",
            "  setup Rounds",
            "    dataset train",
            "  trial Rounds trial.state=fail error.type=Exception ERROR(Execution cancelled due to errors or interruption.)",
            "    evaluate never evaluate.num_errors=2 error.type=Exception ERROR(Execution cancelled due to errors or interruption.)",
        ]
    )


class Fragile(dspy.Module):
    """A program that fails on the first and the third sum, between its two predictors."""

    def __init__(self) -> None:
        super().__init__()
        self.first = dspy.Predict("question -> answer")
        self.second = dspy.Predict("question -> answer")

    def forward(self, question: str) -> Any:
        """The answer of the second."""
        self.first(question=question)
        if question in {"0+1", "2+1"}:
            raise LookupError(question)
        return self.second(question=question)


def test_a_program_that_raises_on_some_examples() -> None:
    """Those examples are errors without a score; what the program did until then is recorded, and the others are scored."""

    def run() -> Any:
        with dspy.context(lm=addition_lm()):
            return _evaluated(Fragile())

    recorder = same_with_and_without(run)
    assert recorder.tree("example", "example.index", "example.score", "error.type", "module.name") == snapshot(
        [
            "example exact example.index=0 error.type=LookupError ERROR()",
            "  module Fragile module.name=self error.type=LookupError ERROR(0+1)",
            "    module Predict module.name=first",
            "      chat scripted module.name=first",
            "example exact example.index=1 example.score=1.0",
            "  module Fragile module.name=self",
            "    module Predict module.name=first",
            "      chat scripted module.name=first",
            "    module Predict module.name=second",
            "      chat scripted module.name=second",
            "example exact example.index=2 error.type=LookupError ERROR()",
            "  module Fragile module.name=self error.type=LookupError ERROR(2+1)",
            "    module Predict module.name=first",
            "      chat scripted module.name=first",
            "example exact example.index=3 example.score=1.0",
            "  module Fragile module.name=self",
            "    module Predict module.name=first",
            "      chat scripted module.name=first",
            "    module Predict module.name=second",
            "      chat scripted module.name=second",
        ]
    )


def test_a_model_that_goes_away_and_comes_back() -> None:
    """Down for the second and the third example: those failed, in its own words, and the next is answered and scored."""

    def run() -> Any:
        calls = iter(range(100))
        answer = dspy_script({"answer": half_right})

        def script(messages: Sequence[Message]) -> str:
            if next(calls) in {1, 2}:
                raise dspy.lm15.ServerError("down for a while")
            return answer(messages)

        with dspy.context(lm=in_process_lm(script)):
            return _evaluated(dspy.Predict("question -> answer"))

    recorder = same_with_and_without(run)
    assert recorder.tree("example", "example.score", "error.type", "lm.retries") == snapshot(
        [
            "example exact example.score=0.0",
            "  module Predict",
            "    chat scripted lm.retries=0",
            "example exact error.type=dspy.utils.exceptions.LMServerError ERROR()",
            "  module Predict error.type=dspy.utils.exceptions.LMServerError ERROR()",
            "    chat scripted lm.retries=0 error.type=dspy.utils.exceptions.LMServerError ERROR([openai/scripted] down for a while)",
            "example exact error.type=dspy.utils.exceptions.LMServerError ERROR()",
            "  module Predict error.type=dspy.utils.exceptions.LMServerError ERROR()",
            "    chat scripted lm.retries=0 error.type=dspy.utils.exceptions.LMServerError ERROR([openai/scripted] down for a while)",
            "example exact example.score=1.0",
            "  module Predict",
            "    chat scripted lm.retries=0",
        ]
    )


def test_a_model_that_is_tried_again() -> None:
    """With retries an outage costs nothing but time: the call records its retries, and no error."""

    def run() -> Any:
        calls = iter(range(100))
        answer = dspy_script({"answer": half_right})

        def script(messages: Sequence[Message]) -> str:
            if next(calls) == 1:
                raise dspy.lm15.ServerError("down for a moment")
            return answer(messages)

        with dspy.context(lm=in_process_lm(script, num_retries=2)):
            return _evaluated(dspy.Predict("question -> answer"))

    recorder = same_with_and_without(run)
    assert recorder.tree("example", "example.score", "error.type", "lm.retries") == snapshot(
        [
            "example exact example.score=0.0",
            "  module Predict",
            "    chat scripted lm.retries=0",
            "example exact example.score=1.0",
            "  module Predict",
            "    chat scripted lm.retries=1",
            "example exact example.score=0.0",
            "  module Predict",
            "    chat scripted lm.retries=0",
            "example exact example.score=1.0",
            "  module Predict",
            "    chat scripted lm.retries=0",
        ]
    )


def test_answers_that_cannot_be_parsed() -> None:
    """The adapter's fallback is a second call in the same module, which names it; where that fails too, it is an error.

    Of the sums one is answered in JSON alone, one never in a form that DSPy understands.
    """
    answer = dspy_script({"answer": half_right})

    def script(messages: Sequence[Message]) -> str:
        in_json = "Outputs will be a JSON object" in str(messages[0]["content"])
        question = input_fields(messages)["question"]
        if question == "3+1" or (question == "1+1" and not in_json):
            return "I'd rather not say."
        return answer(messages)

    def run() -> Any:
        with dspy.context(lm=in_process_lm(script)):
            return _evaluated(dspy.Predict("question -> answer"))

    recorder = same_with_and_without(run)
    assert recorder.tree("example", "example.index", "example.score", "error.type", "module.fallback") == snapshot(
        [
            "example exact example.index=0 example.score=0.0",
            "  module Predict",
            "    chat scripted",
            "example exact example.index=1 example.score=1.0",
            "  module Predict module.fallback=JSONAdapter",
            "    chat scripted",
            "    chat scripted",
            "example exact example.index=2 example.score=0.0",
            "  module Predict",
            "    chat scripted",
            "example exact example.index=3 error.type=dspy.utils.exceptions.AdapterParseError ERROR()",
            "  module Predict module.fallback=JSONAdapter error.type=dspy.utils.exceptions.AdapterParseError ERROR(JSONAdapter could not parse the model's answer; it should have held: answer)",
            "    chat scripted",
            "    chat scripted",
        ]
    )


def test_every_failure_of_a_compile_is_in_its_rows() -> None:
    """The results of each evaluation name the error of each example that failed, with content its text as well."""

    def run() -> Any:
        with dspy.context(lm=addition_lm()):
            return Rounds(exact).compile(Fragile(), trainset=examples(3)).dump_state()

    recorder = same_with_and_without(run, capture_content=True)
    rows = [recorded["evaluate.results"] for recorded in recorder.attributes_of("evaluate")]
    assert len(rows) == 2
    assert rows[0] == rows[1]
    assert rows[0] == snapshot(
        '[{"index":0,"id":"bfe2e71e9315e6cf","inputs":{"question":"0+1"},"labels":{"answer":"1"},"error":"LookupError","error_message":"0+1"},{"index":1,"id":"473159302de95433","score":1.0,"inputs":{"question":"1+1"},"labels":{"answer":"2"},"prediction":{"answer":"2"}},{"index":2,"id":"9314af874c1399fa","inputs":{"question":"2+1"},"labels":{"answer":"3"},"error":"LookupError","error_message":"2+1"}]'
    )
