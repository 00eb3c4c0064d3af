"""BootstrapFinetune with an answer that cannot be parsed, whose example DSPy keeps as a right one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from dspy.teleprompt import BootstrapFinetune

from tests.support.addition_task import exact, examples, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording
from tests.support.stub_trainers import StubFinetuning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.lm_server import Message


def test_the_example_has_failed_and_no_job_is_a_trial() -> None:
    """The bootstrap has the score -1 that DSPy gives, and the compile the error of the training data."""
    fill = dspy_script({"answer": half_right})

    def script(messages: Sequence[Message]) -> str:
        return "I cannot answer this." if "3+1" in str(messages[-1]["content"]) else fill(messages)

    provider = StubFinetuning()
    lm = in_process_lm(script, provider=provider)
    program = dspy.Predict("question -> answer")
    program.set_lm(lm)
    optimizer: Any = BootstrapFinetune(exact, num_threads=1)
    with (
        dspy.context(lm=lm),
        recording() as recorder,
        pytest.raises(AttributeError, match="'FailedPrediction' object has no attribute 'get'"),
    ):
        optimizer.compile(program, examples(4))
    assert provider.jobs == []
    (evaluation,) = recorder.attributes_of("evaluate")
    assert [row["score"] for row in json.loads(evaluation["evaluate.results"])] == [0.0, 1.0, 0.0, -1.0]
    assert recorder.named("trial") == []
    (compiled,) = recorder.named("compile")
    assert compiled.status.description == "'FailedPrediction' object has no attribute 'get'"
