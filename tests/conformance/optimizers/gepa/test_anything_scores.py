"""Scores of `optimize_anything`: those of a refined text, and those that the reflection model is not shown."""

from __future__ import annotations

import json
from typing import Any, cast

from gepa import optimize_anything as anything
from gepa.optimize_anything import EngineConfig, GEPAConfig, RefinerConfig, ReflectionConfig, TrackingConfig

from tests.support.gepa_texts import Quiet
from tests.support.gepa_trials import trials
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

_SCORES = {"a draft": 0.25, "a proposal": 0.5, "refined": 1.0}


def _score(candidate: str) -> float:
    return _SCORES[candidate]


def _optimize(reflection: Any, **config: Any) -> Any:
    return cast("Any", anything).optimize_anything(
        "a draft",
        evaluator=_score,
        objective="A high score.",
        config=GEPAConfig(
            engine=EngineConfig(max_metric_calls=6, parallel=False),
            reflection=ReflectionConfig(reflection_lm=reflection),
            tracking=TrackingConfig(logger=Quiet()),
            **config,
        ),
    )


def test_the_score_of_a_refined_text_is_recorded_with_that_text() -> None:
    """The trial has gepa's score for the draft; its evaluation has the text that was scored, and the draft's own score."""
    refiner = RefinerConfig(refiner_lm=cast("Any", lambda _: json.dumps({"current_candidate": "refined"})))  # pyright: ignore[reportUnknownLambdaType]
    with recording(capture_content=True) as recorder:
        result = _optimize(lambda _: "```\na proposal\n```", refiner=refiner)  # pyright: ignore[reportUnknownLambdaType]
    assert (result.best_candidate, result.val_aggregate_scores) == ("a draft", [1.0])
    seed = trials(recorder)[0]
    assert (seed["score"], seed["is_best"]) == (1.0, True)
    (row,) = json.loads(recorder.attributes_of("evaluate")[0]["evaluate.results"])
    _, scored, information = row["prediction"]["value"]
    assert scored["current_candidate"] == "refined"
    attempts = information["refiner_prompt_specific_info"]["Attempts"]
    assert [attempt["score"] for attempt in attempts] == [0.25, 1.0]


def test_the_reflections_prompt_is_recorded_without_a_score() -> None:
    """The trial has the score, the prompt an example without one."""
    model: Any = in_process_lm(lambda _: "```\na proposal\n```")
    with recording(capture_content=True) as recorder:
        _optimize(lambda prompt: model(prompt)[0])  # pyright: ignore[reportUnknownLambdaType]
    assert [trial["score"] for trial in trials(recorder)[:2]] == [0.25, 0.5]
    prompt = json.loads(recorder.attributes_of("chat")[0]["gen_ai.input.messages"])[-1]["parts"][0]["content"]
    assert "# Example 1\n\n" in prompt
    assert "0.25" not in prompt
