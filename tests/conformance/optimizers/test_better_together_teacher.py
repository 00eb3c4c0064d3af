"""BetterTogether with a teacher, whose default prompt optimizer fails."""

from __future__ import annotations

from typing import Any

import dspy
from dspy.teleprompt import BetterTogether, BootstrapFewShotWithRandomSearch

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording


def test_the_failed_step_is_recorded() -> None:
    """The step's trial has the error, the compile that a step failed, and the given program is the best trial."""
    lm, program, teacher = addition_lm(), dspy.Predict("question -> answer"), dspy.Predict("question -> answer")
    for module in (program, teacher):
        module.set_lm(lm)
    search = BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=1, num_threads=1)
    optimizer: Any = BetterTogether(exact, p=search)
    with dspy.context(lm=lm), recording() as recorder:
        found = optimizer.compile(
            program, trainset=examples(8), teacher=teacher, strategy="p -> p", valset_ratio=0.5, seed=1
        )
    assert (found.flag_compilation_error_occurred, found.demos) == (True, [])
    (compiled,) = recorder.attributes_of("compile BetterTogether")
    assert compiled["compile.step_failed"] is True
    assert compiled["compile.best_trial.index"] == 0
    states = [(trial["trial.index"], trial["trial.state"]) for trial in recorder.attributes_of("trial BetterTogether")]
    assert states == [(0, "complete"), (1, "fail")]
    failed = recorder.named("trial BetterTogether")[1]
    assert failed.status.description == "'list' object has no attribute 'deepcopy'"
