"""Epochs of GRPO, to each of which DSPy adds a step where no example is missing."""

from __future__ import annotations

import json
from typing import Any

import dspy
from dspy.teleprompt.grpo import GRPO

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording
from tests.support.stub_trainers import StubReinforcement


def test_the_step_of_repeated_examples_is_a_trial() -> None:
    """Four examples, two a step, are three steps: the evaluation of each has the ids of its examples."""
    lm = addition_lm(provider=StubReinforcement())
    program = dspy.Predict("question -> answer")
    program.set_lm(lm)
    optimizer: Any = GRPO(
        exact, exclude_demos=True, num_threads=1, num_train_steps=3, num_dspy_examples_per_grpo_step=2,
        num_rollouts_per_grpo_step=1, adapter=dspy.ChatAdapter(),
    )  # fmt: skip
    with dspy.context(lm=lm), recording() as recorder:
        optimizer.compile(program, trainset=examples(4))
    first, second, third = (
        {row["id"] for row in json.loads(evaluation["evaluate.results"])}
        for evaluation in recorder.attributes_of("evaluate")
    )
    assert len(first | second) == 4
    assert len(third) == 2
    assert third < first | second
    assert len(recorder.named("trial")) == 3
