"""GEPA that rewrites the code of a `dspy.Flex`."""

from __future__ import annotations

import itertools

from inline_snapshot import snapshot

from tests.support.dspy_answers import dspy_script
from tests.support.flex_program import Coded, source
from tests.support.gepa_task import optimize
from tests.support.gepa_trials import attributes, trials, validation
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording


def test_a_flex_program_has_gepa_s_own_scores() -> None:
    """Evaluate, which GEPA gives no metric then, has no score to record; code that can't be parsed is a rejected trial."""
    proposals = itertools.cycle(["class Broken(", source("12")])
    writer = in_process_lm(dspy_script({"revised_source": lambda _: next(proposals)}), model="openai/reflecting")
    with recording(capture_programs=True) as recorder:
        best = optimize(Coded(), reflection_lm=writer, max_metric_calls=24)
    results = best.detailed_results
    recorded = trials(recorder)
    pool = [trial for trial in recorded if "parameter.candidate" in trial]
    assert [trial["score"] for trial in pool] == results.val_aggregate_scores
    assert [validation(trial) for trial in pool] == results.val_subscores
    shown = ("label", "state", "score", "parameter.components", "reason")
    assert [tuple(trial.get(name) for name in shown) for trial in recorded] == snapshot(
        [
            ("seed", "complete", 0.3333333333333333, None, None),
            ("iteration 1", "rejected", 0.0, ("flex",), "New subsample score 0.0 not better than old score 0.0"),
            ("iteration 2", "pruned", None, None, "all_scores_perfect"),
            ("iteration 3", "complete", 0.6666666666666666, ("flex",), None),
            ("iteration 4", "rejected", 0.0, ("flex",), "New subsample score 0.0 not better than old score 1.0"),
        ]
    )
    broken = next(trial for trial in recorded if trial["state"] == "rejected")
    assert broken["candidate"]["flex"]["after"].startswith("class Broken(")
    for span in [*recorder.named("evaluate"), *recorder.named("example")]:
        assert not {"dspy.evaluate.score", "dspy.example.score"} & set(attributes(span))
