"""MIPROv2's first proposal, which is asked for and thrown away."""

from __future__ import annotations

from typing import Any

import dspy

from tests.support.addition_task import exact, examples
from tests.support.learning_lm import learning_lm
from tests.support.span_recorder import recording


def test_the_calls_of_the_discarded_proposal_are_recorded() -> None:
    """Two candidates of which one is the given instruction: two proposals have been asked for and are in the trace."""
    given: Any = {"auto": None, "num_candidates": 2, "max_bootstrapped_demos": 0, "max_labeled_demos": 0}
    with dspy.context(lm=learning_lm()), recording(capture_content=True) as recorder:
        optimizer: Any = dspy.MIPROv2(metric=exact, num_threads=1, **given)
        optimizer.compile(
            dspy.Predict("question -> answer"), trainset=examples(4), valset=examples(4), num_trials=2, minibatch=False
        )
    proposed = [
        answered
        for call in recorder.attributes_of("chat")
        if "## proposed_instruction ##" in (answered := str(call["gen_ai.output.messages"]))
    ]
    assert ["Knows 1." in answered for answered in proposed] == [True, False]
    texts = str([trial["trial.candidate"] for trial in recorder.attributes_of("trial") if "trial.candidate" in trial])
    assert "Knows 1." not in texts
