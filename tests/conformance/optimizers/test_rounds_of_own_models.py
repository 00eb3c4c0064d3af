"""Rounds of BootstrapFewShot for a program with a model of its own, which DSPy's cache answers."""

from __future__ import annotations

import itertools
import json
from typing import Any

import dspy

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording


def test_further_rounds_are_recorded_as_cache_hits() -> None:
    """Each attempt is a row with its round; the calls of all but the first are cache hits without tokens."""
    tries = itertools.count(1)
    lm = in_process_lm(
        dspy_script({"answer": lambda _: f"try {next(tries)}"}), model="openai/asked-in-rounds", cache=True
    )
    program = dspy.Predict("question -> answer")
    program.set_lm(lm)

    def second(_: object, prediction: Any, trace: object = None) -> bool:
        del trace
        return prediction.answer == "try 2"

    optimizer: Any = dspy.BootstrapFewShot(metric=second, max_rounds=3, max_labeled_demos=0)
    trainset = [dspy.Example(question="Which?").with_inputs("question")]
    with dspy.context(lm=lm), recording() as recorder:
        assert optimizer.compile(program, trainset=trainset).demos == []
    (evaluation,) = recorder.attributes_of("evaluate")
    rows = [(row["round"], row["accepted"]) for row in json.loads(evaluation["evaluate.results"])]
    assert rows == [(0, False), (1, False), (2, False)]
    calls = [dict(span.attributes or {}) for span in recorder.named("chat")]
    assert [call.get("dspy.lm.cache_hit", False) for call in calls] == [False, True, True]
    assert ["gen_ai.usage.input_tokens" in call for call in calls] == [True, False, False]
