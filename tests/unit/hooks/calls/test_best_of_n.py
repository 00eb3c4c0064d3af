"""BestOfN and Refine: a span for each attempt, with its reward and what was asked about it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, cast

import cloudpickle
import dspy
import pytest
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN = ("attempt", "module.name", "error.type")
JUDGE = in_process_lm(dspy_script({"verdict": lambda _: "0.5"}), "openai/judging")


def _advice(_inputs: Mapping[str, str]) -> str:
    return json.dumps({"self": "add"})


def _lm() -> dspy.LM:
    return in_process_lm(dspy_script({"answer": half_right, "advice": _advice, "discussion": _advice}))


def _digits(_given: Any, prediction: Any) -> float:
    return float(prediction.answer.isdigit())


def _judged(_given: Any, prediction: Any) -> float:
    with dspy.context(lm=JUDGE):
        texts: Any = dspy.Predict("answer -> verdict")(answer=prediction.answer)
    return float(texts.verdict)


def _trying(kind: Any, module: Any = None, reward: Any = _digits, **settings: Any) -> Any:
    settings = {"N": 2, "threshold": 1.0, **settings}
    return kind(module=module or dspy.Predict("question -> answer"), reward_fn=reward, **settings)


def _run(program: Any, question: str = "2+1") -> Any:
    with dspy.context(lm=_lm()):
        return program(question=question)


@pytest.mark.parametrize("content", [False, True])
def test_best_of_n(*, content: bool) -> None:
    """Two attempts that miss the threshold: two spans with their rewards, the outcome as without us."""
    recorder = same_with_and_without(lambda: _run(_trying(dspy.BestOfN)), capture_content=content)
    assert recorder.tree("", "attempt") == snapshot(
        [
            "module BestOfN",
            "  attempt BestOfN attempt.index=0 attempt.reward=0.0",
            "    module Predict",
            "      chat scripted",
            "  attempt BestOfN attempt.index=1 attempt.reward=0.0",
            "    module Predict",
            "      chat scripted",
        ]
    )


def test_the_first_that_reaches_the_threshold_is_the_last() -> None:
    """No further attempt is made, and none is recorded."""
    recorder = same_with_and_without(lambda: _run(_trying(dspy.BestOfN, N=5), "1+1"))
    assert [recorded["attempt.reward"] for recorded in recorder.attributes_of("attempt")] == [1.0]


def test_refine_gets_advice_in_the_attempt_that_it_is_about() -> None:
    """The predictor that gives the advice stands in the attempt before; the hinted one is the next attempt."""
    recorder = same_with_and_without(lambda: _run(_trying(dspy.Refine)))
    assert recorder.tree("", "attempt", "module.signature") == snapshot(
        [
            "module Refine",
            "  attempt Refine attempt.index=0 attempt.reward=0.0",
            "    module Predict module.signature=question -> answer",
            "      chat scripted",
            "    module Predict module.signature=program_code, modules_defn, program_inputs, program_trajectory, program_outputs, reward_code, target_threshold, reward_value, module_names -> discussion, advice",
            "      chat scripted",
            "  attempt Refine attempt.index=1 attempt.reward=0.0",
            "    module Predict module.signature=question -> answer",
            "      chat scripted",
        ]
    )


def test_a_reward_that_calls_a_model() -> None:
    """The judge's calls stand in the attempt, though its module is of the same class as the one that is tried."""
    recorder = same_with_and_without(lambda: _run(_trying(dspy.BestOfN, reward=_judged)))
    assert recorder.tree("", "attempt") == snapshot(
        [
            "module BestOfN",
            "  attempt BestOfN attempt.index=0 attempt.reward=0.5",
            "    module Predict",
            "      chat scripted",
            "    module Predict",
            "      chat judging",
            "  attempt BestOfN attempt.index=1 attempt.reward=0.5",
            "    module Predict",
            "      chat scripted",
            "    module Predict",
            "      chat judging",
        ]
    )


class Failing(dspy.Module):
    """Fails at the first attempt."""

    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("question -> answer")  # its model is what DSPy varies

    def forward(self, question: str) -> Any:
        """Raise once."""
        type(self).calls += 1
        if type(self).calls == 1:
            raise ArithmeticError("the first")
        return dspy.Prediction(answer=question[0])


def test_an_attempt_that_raises() -> None:
    """The module raises: the attempt has failed, and DSPy tries again."""

    def run() -> Any:
        Failing.calls = 0
        return _run(_trying(dspy.BestOfN, Failing()))

    recorder = same_with_and_without(run)
    assert recorder.tree("", "attempt", "error.type") == snapshot(
        [
            "module BestOfN",
            "  attempt BestOfN attempt.index=0 error.type=ArithmeticError ERROR()",
            "    module Failing error.type=ArithmeticError ERROR(the first)",
            "  attempt BestOfN attempt.index=1 attempt.reward=1.0",
            "    module Failing",
        ]
    )


class Stumbling(dspy.Module):
    """Fails at the first attempt at each question."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("question -> answer")  # its model is what DSPy varies

    def forward(self, question: str) -> Any:
        """Raise where the question is new."""
        if question not in ASKED:
            ASKED.add(question)
            raise ArithmeticError("not yet")
        return dspy.Prediction(answer=question[0])


ASKED: set[str] = set()


@pytest.mark.parametrize("kind", [dspy.BestOfN, dspy.Refine])
def test_failed_attempts_of_earlier_calls_count(kind: Any) -> None:
    """DSPy subtracts each failed attempt from `fail_count` for good: the third call fails at its first attempt."""

    def run() -> list[str]:
        ASKED.clear()
        program = _trying(kind, Stumbling(), fail_count=1)
        outcomes: list[str] = []
        for question in ("1+1", "2+1", "3+1"):
            try:
                outcomes.append(_run(program, question).answer)
            except ArithmeticError as error:
                outcomes.append(str(error))
        return outcomes

    recorder = same_with_and_without(run)
    attempts = [
        (one["attempt.index"], one.get("attempt.reward"), one.get("error.type"))
        for one in recorder.attributes_of("attempt")
    ]
    assert attempts == snapshot(
        [
            (0, None, "ArithmeticError"),
            (1, 1.0, None),
            (0, None, "ArithmeticError"),
            (1, 1.0, None),
            (0, None, "ArithmeticError"),
        ]
    )


def test_a_reward_that_raises() -> None:
    """The reward function raises: the attempt has the error, and no reward; DSPy raises it where it has had enough."""

    def broken(_given: Any, _prediction: Any) -> float:
        raise ArithmeticError("no reward")

    recorder = same_with_and_without(lambda: _run(_trying(dspy.BestOfN, reward=broken, N=3, fail_count=1)))
    assert recorder.tree("", "attempt", "error.type") == snapshot(
        [
            "module BestOfN error.type=ArithmeticError ERROR()",
            "  attempt BestOfN attempt.index=0 error.type=ArithmeticError ERROR(no reward)",
            "    module Predict",
            "      chat scripted",
            "  attempt BestOfN attempt.index=1 error.type=ArithmeticError ERROR(no reward)",
            "    module Predict",
            "      chat scripted",
        ]
    )


def test_an_interrupt_in_an_attempt() -> None:
    """Ctrl-C in the module ends attempt and module, and reaches the user."""

    class Interrupted(Failing):
        def forward(self, question: str) -> Any:
            raise KeyboardInterrupt(question)

    recorder = same_with_and_without(lambda: _run(_trying(dspy.BestOfN, Interrupted())))
    assert recorder.tree("", "error.type") == snapshot(
        [
            "module BestOfN error.type=KeyboardInterrupt ERROR()",
            "  attempt BestOfN error.type=KeyboardInterrupt ERROR()",
            "    module Interrupted error.type=KeyboardInterrupt ERROR(2+1)",
        ]
    )


def test_best_of_refined() -> None:
    """One inside of the other: each has its own attempts."""
    recorder = same_with_and_without(lambda: _run(_trying(dspy.BestOfN, _trying(dspy.BestOfN, N=1), N=1)))
    assert recorder.tree("", "attempt.index", "attempt.reward") == snapshot(
        [
            "module BestOfN",
            "  attempt BestOfN attempt.index=0 attempt.reward=0.0",
            "    module BestOfN",
            "      attempt BestOfN attempt.index=0 attempt.reward=0.0",
            "        module Predict",
            "          chat scripted",
        ]
    )


def test_the_reward_function_stays_the_users() -> None:
    """Outside of a call the attribute is what the user gave, also on copies, and it can be set anew."""
    with recording(), dspy.context(lm=addition_lm()):
        program = _trying(dspy.BestOfN)
        own = cast("dict[str, Any]", vars(program))["reward_fn"]
        assert program.reward_fn is own
        assert copy.deepcopy(program).reward_fn({}, dspy.Prediction(answer="1")) == 1.0
        assert b"otel_dspy" not in cloudpickle.dumps(program)
        program.reward_fn = _judged
        assert program.reward_fn is _judged
        del program.reward_fn
        with pytest.raises(AttributeError, match="'BestOfN' object has no attribute 'reward_fn'"):
            _ = program.reward_fn
    assert not hasattr(dspy.BestOfN, "reward_fn")


def test_several_completions_are_compared_in_one_call() -> None:
    """MultiChainComparison makes no attempts of its own: it compares what it is given, with one predictor."""

    def run() -> Any:
        compare: Any = dspy.MultiChainComparison("question -> answer", M=2)
        completions = [dspy.Prediction(rationale="so", answer=answer) for answer in ("1", "2")]
        with dspy.context(lm=_lm()):
            return compare(completions, question="1+1")

    recorder = same_with_and_without(run)
    assert recorder.tree("", "module.name") == snapshot(
        [
            "module MultiChainComparison module.name=self",
            "  module Predict module.name=predict",
            "    chat scripted module.name=predict",
        ]
    )
