"""GEPA and answers that lack a field: no feedback about them, and the error in the record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import dspy

from tests.support.gepa_task import TRAINSET, VALSET, graded, reflection_lm
from tests.support.gepa_trials import trials
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.lm_server import Message


def _truncated(messages: Sequence[Message]) -> str:
    """The reasoning, cut off by the limit of tokens, to the chat adapter and to the JSON adapter after it."""
    if "Outputs will be a JSON object" in str(messages[0]["content"]):
        return '{"reasoning": "First, let us'
    return "[[ ## reasoning ## ]]\nFirst, let us"


def test_the_reflection_model_is_asked_about_no_truncated_answer() -> None:
    """Nothing is proposed, though format failures count as feedback: the predictor's calls have the adapter's error."""
    with dspy.context(lm=in_process_lm(_truncated)), recording(capture_content=True) as recorder:
        dspy.GEPA(
            graded, max_metric_calls=12, reflection_lm=reflection_lm(), num_threads=1, reflection_minibatch_size=2,
            add_format_failure_as_feedback=True,
        ).compile(dspy.ChainOfThought("question -> answer"), trainset=TRAINSET, valset=VALSET)  # fmt: skip
    seed, *iterations = trials(recorder)
    assert (seed["label"], seed["score"]) == ("seed", 0.0)
    assert {trial["state"] for trial in iterations} == {"pruned"}
    assert not [chat for chat in recorder.attributes_of("chat") if chat["gen_ai.request.model"] == "reflecting"]
    errors = {one["error.type"] for one in recorder.attributes_of("module Predict")}
    assert errors == {"dspy.utils.exceptions.AdapterParseError"}
    parents = [one for one in recorder.attributes_of("evaluate") if one.get("evaluate.role") == "parent"]
    found = [json.loads(one["evaluate.results"]) for one in parents]
    assert {row["error"] for rows in found for row in rows} == {"TypeError"}
