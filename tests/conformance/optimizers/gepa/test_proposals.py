"""GEPA's proposals: rejected ones, several of an iteration, merges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
from gepa.strategies.proposal_sampling import IndependentSampling
from inline_snapshot import snapshot

from tests.conformance.optimizers.gepa.span_ids import parent_id, span_id
from tests.support.gepa_task import Pair, optimize, reflection_lm
from tests.support.gepa_trials import attributes, trials, validation
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path


def test_a_rejected_proposal_has_its_text_and_program(tmp_path: Path) -> None:
    """What the reflection model wrote is there although GEPA throws it away, and its program can be loaded."""
    with recording(capture_programs=True) as recorder:
        optimize()
    rejected = next(trial for trial in trials(recorder) if trial["state"] == "rejected")
    assert rejected["candidate"] == {"left": {"before": {"2": "Knows 0."}, "after": "Knows 9."}}
    assert (rejected["measure.minibatch_before"], rejected["measure.minibatch_after"]) == (0.5, 0.5)
    saved = tmp_path / "program.json"
    saved.write_text(rejected["dspy.program.state"])
    program = Pair()
    program.load(str(saved))
    assert [instructions(predictor) for predictor in program.predictors()] == ["Knows 9.", "Knows 1 2."]


def test_several_proposals_of_an_iteration_are_trials_each() -> None:
    """Their events come without an id and their evaluations at once: each trial has its own parent, texts and calls."""
    with recording(capture_programs=True) as recorder:
        best = optimize(
            num_threads=2, max_metric_calls=60, gepa_kwargs={"sampling_strategy": IndependentSampling(2)},
            reflection_lm=reflection_lm(["Knows 1 2.", "Knows 9.", "Knows 2.", "Knows 1."]),
        )  # fmt: skip
    recorded = trials(recorder)
    results, texts = best.detailed_results, best.detailed_results.to_dict()["candidates"]
    shown = ("label", "state", "score", "parameter.parents", "parameter.candidate", "candidate", "reason")
    assert [tuple(trial.get(name) for name in shown) for trial in recorded] == snapshot(
        [
            ("seed", "complete", 0.3333333333333333, None, 0, None, None),
            (
                "iteration 1",
                "complete",
                0.5,
                (0,),
                1,
                {"left": {"before": {"0": "Knows 0."}, "after": "Knows 1 2."}},
                None,
            ),
            ("iteration 1, proposal 2", "pruned", None, (0,), None, None, "all_scores_perfect"),
            ("iteration 2", "pruned", None, (0,), None, None, "all_scores_perfect"),
            (
                "iteration 2, proposal 2",
                "rejected",
                0.0,
                (0,),
                None,
                {"right": {"before": {"0": "Knows 0."}, "after": "Knows 9."}},
                "New subsample score 0.0 not better than old score 0.0",
            ),
            (
                "iteration 3",
                "rejected",
                0.0,
                (0,),
                None,
                {"left": {"before": {"0": "Knows 0."}, "after": "Knows 2."}},
                "New subsample score 0.0 not better than old score 0.0",
            ),
            (
                "iteration 3, proposal 2",
                "complete",
                0.5,
                (1,),
                2,
                {"right": {"before": {"1": "Knows 0."}, "after": "Knows 1."}},
                None,
            ),
            (
                "iteration 4",
                "complete",
                0.5,
                (0,),
                3,
                {"right": {"before": {"0": "Knows 0."}, "after": "Knows 1 2."}},
                None,
            ),
            ("iteration 4, proposal 2", "fail", None, (2,), None, None, None),
            (
                "iteration 5",
                "complete",
                0.6666666666666666,
                (1, 3),
                4,
                {
                    "left": {"before": {"1": "Knows 1 2.", "3": "Knows 0."}, "after": "Knows 1 2."},
                    "right": {"before": {"1": "Knows 0.", "3": "Knows 1 2."}, "after": "Knows 1 2."},
                },
                None,
            ),
        ]
    )
    for trial in recorded:
        if "parameter.candidate" in trial:
            index = trial["parameter.candidate"]
            assert (trial["score"], validation(trial)) == (
                results.val_aggregate_scores[index],
                results.val_subscores[index],
            )
            assert {name: made["after"] for name, made in trial.get("candidate", {}).items()}.items() <= texts[
                index
            ].items()
    by_id = {span_id(span): span for span in recorder.spans}
    for span in recorder.named("evaluate"):
        above = span
        while not above.name.startswith("trial"):
            above = by_id[parent_id(above)]
        assert attributes(span)["dspy.trial.index"] == attributes(above)["dspy.trial.index"]


class Jealous(Pair):
    """Answers only while one of its predictors is as it was."""

    def forward(self, question: str) -> Any:
        """The answer, or none."""
        changed = [predictor for predictor in self.predictors() if instructions(predictor) != "Knows 0."]
        return dspy.Prediction(answer="") if len(changed) > 1 else super().forward(question)


def test_a_merge_that_is_worse_than_its_parents_is_rejected() -> None:
    """It is a trial of kind merge, scored on the examples that GEPA chose, the scores of both parents beside it."""
    with recording() as recorder:
        optimize(Jealous())
    (merge,) = [trial for trial in trials(recorder) if trial["kind"] == "merge"]
    shown = (
        "state",
        "score",
        "scope",
        "parameter.parents",
        "parameter.ancestor",
        "scores",
        "reason",
        "measure.minibatch_before",
    )
    assert {name: merge[name] for name in shown} == snapshot(
        {
            "state": "rejected",
            "score": 0.0,
            "scope": "minibatch",
            "parameter.parents": (1, 2),
            "parameter.ancestor": 0,
            "scores": [
                {"on": "minibatch", "id": 1, "before": [1.0, 0.0], "score": 0.0},
                {"on": "minibatch", "id": 2, "before": [1.0, 0.0], "score": 0.0},
                {"on": "minibatch", "id": 5, "before": [0.0, 1.0], "score": 0.0},
                {"on": "minibatch", "id": 0, "before": [0.0, 1.0], "score": 0.0},
                {"on": "minibatch", "id": 3, "before": [1.0, 0.0], "score": 0.0},
            ],
            "reason": "Merged score 0.0 worse than both parents [3.0, 2.0]",
            "measure.minibatch_before": 0.6,
        }
    )


def instructions(predictor: Any) -> str:
    """The predictor's instructions."""
    return predictor.signature.instructions
