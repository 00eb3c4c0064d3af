"""gepa with `cache_evaluation`, whose cache takes a training example for the validation example at its position."""

from __future__ import annotations

import json

from tests.support.gepa_texts import TRAINSET, optimize_texts, questions, reflecting
from tests.support.gepa_trials import trials, validation
from tests.support.span_recorder import recording

UNKNOWN = questions("a7", "b7", "a8", "b8", "a9", "b9")
"""Validation examples that no candidate answers."""


def test_scores_are_gepas_and_evaluations_those_that_ran() -> None:
    """A candidate scores on validation by its minibatch; the evaluation has the examples that were evaluated."""
    with recording(capture_content=True) as recorder:
        result = optimize_texts(
            cache_evaluation=True, valset=UNKNOWN, reflection_lm=reflecting(["Knows 1 2."]), max_metric_calls=12
        )
    accepted = [trial for trial in trials(recorder) if trial["scores"] and trial["index"]]
    assert len(UNKNOWN) == len(TRAINSET)
    assert [validation(trial) for trial in accepted] == result.val_subscores[1:]
    assert [sum(validation(trial).values()) for trial in accepted] == [2.0]
    assert [trial["score"] for trial in accepted] == [2 / len(UNKNOWN)]
    (ran,) = (
        evaluation
        for evaluation in recorder.attributes_of("evaluate")
        if evaluation["trial.index"] and evaluation["evaluate.role"] == "validation"
    )
    assert ran["evaluate.num_examples"] == len(UNKNOWN) - 2
    assert [row["score"] for row in json.loads(ran["evaluate.results"])] == [0.0] * (len(UNKNOWN) - 2)
