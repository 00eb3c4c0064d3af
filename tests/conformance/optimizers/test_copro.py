"""COPRO: depth by predictor by candidate, with the texts of each, although one clone is changed again and again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from inline_snapshot import snapshot

from otel_dspy.hooks.optimizers.copro import COPROHook
from otel_dspy.telemetry.tallies.leaderboard import Entry
from tests.support.addition_task import exact, examples
from tests.support.learning_lm import learning_lm
from tests.support.optimizer_runs import tracked_runs
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = ("trial.", "compile.best", "compile.initial")


class TwoSteps(dspy.Module):
    """Reads the question, then answers it."""

    def __init__(self) -> None:
        super().__init__()
        self.read = dspy.Predict("question -> question_read")
        self.say = dspy.Predict("question -> answer")

    def forward(self, question: str) -> Any:
        """The answer."""
        self.read(question=question)
        return self.say(question=question)


def _optimize(program: dspy.Module | None = None) -> Any:
    optimizer: Any = dspy.COPRO(metric=exact, breadth=3, depth=2, track_stats=True)
    evaluation = {"num_threads": 1, "display_progress": False, "display_table": 0}
    with dspy.context(lm=learning_lm()):
        student = program or dspy.Predict("question -> answer")
        return optimizer.compile(student, trainset=examples(6), eval_kwargs=evaluation)


def test_the_control_trace_contains_every_prompt() -> None:
    """A trial a prompt with its texts, as they stood when it was scored; the prompt that was given is the baseline."""
    with recording(capture_programs=True) as recorder:
        _optimize()
    assert recorder.control("compile", *SHOWN) == snapshot(
        [
            "compile COPRO compile.best_score=100.0 compile.best_trial.index=5 compile.initial_score=50.0 trial.score.unit=percent",
            "  setup COPRO",
            "    dataset train",
            '  trial COPRO trial.best_score=66.67 trial.candidate={"self":{"instruction":"Knows 1.","prefix":"Sum:"}} trial.index=0 trial.is_best=True trial.kind=candidate trial.label=depth 0, self, candidate 0 trial.parameter.candidate=0 trial.parameter.depth=0 trial.parameter.predictor=self trial.scope=full trial.score=66.67 trial.score.unit=percent trial.state=complete',
            "    evaluate exact trial.index=0",
            '  trial COPRO trial.best_score=66.67 trial.candidate={"self":{"instruction":"Knows 2.","prefix":"Sum:"}} trial.index=1 trial.is_best=False trial.kind=candidate trial.label=depth 0, self, candidate 1 trial.parameter.candidate=1 trial.parameter.depth=0 trial.parameter.predictor=self trial.scope=full trial.score=66.67 trial.score.unit=percent trial.state=complete',
            "    evaluate exact trial.index=1",
            '  trial COPRO trial.best_score=66.67 trial.candidate={"self":{"instruction":"Given the fields `question`, produce the fields `answer`.","prefix":"Answer:"}} trial.index=2 trial.is_best=False trial.kind=baseline trial.label=depth 0, self, candidate 2 trial.parameter.candidate=2 trial.parameter.depth=0 trial.parameter.predictor=self trial.scope=full trial.score=50.0 trial.score.unit=percent trial.state=complete',
            "    evaluate exact trial.index=2",
            '  trial COPRO compile.initial_score=50.0 trial.best_score=83.33 trial.candidate={"self":{"instruction":"Knows 3.","prefix":"Sum:"}} trial.index=3 trial.is_best=True trial.kind=candidate trial.label=depth 1, self, candidate 0 trial.parameter.candidate=0 trial.parameter.depth=1 trial.parameter.predictor=self trial.scope=full trial.score=83.33 trial.score.unit=percent trial.state=complete',
            "    evaluate exact trial.index=3",
            '  trial COPRO compile.initial_score=50.0 trial.best_score=83.33 trial.candidate={"self":{"instruction":"Knows 4.","prefix":"Sum:"}} trial.index=4 trial.is_best=False trial.kind=candidate trial.label=depth 1, self, candidate 1 trial.parameter.candidate=1 trial.parameter.depth=1 trial.parameter.predictor=self trial.scope=full trial.score=83.33 trial.score.unit=percent trial.state=complete',
            "    evaluate exact trial.index=4",
            '  trial COPRO compile.initial_score=50.0 trial.best_score=100.0 trial.candidate={"self":{"instruction":"Knows 5.","prefix":"Sum:"}} trial.index=5 trial.is_best=True trial.kind=candidate trial.label=depth 1, self, candidate 2 trial.parameter.candidate=2 trial.parameter.depth=1 trial.parameter.predictor=self trial.scope=full trial.score=100.0 trial.score.unit=percent trial.state=complete',
            "    evaluate exact trial.index=5",
        ]
    )


def test_the_numbers_are_those_of_copro() -> None:
    """Scores, texts and depths are those of `candidate_programs`, minima and means those of `results_latest`."""
    with recording(capture_programs=True) as recorder:
        best = _optimize()
    trials = recorder.attributes_of("trial")
    assert len(trials) == best.total_calls
    tried = {
        (texts["instruction"], texts["prefix"], trial["trial.parameter.depth"]): trial["trial.score"]
        for trial in trials
        for texts in json.loads(trial["trial.candidate"]).values()
    }
    returned = {(c["instruction"], c["prefix"], c["depth"]): c["score"] for c in best.candidate_programs}
    assert returned
    assert returned.items() <= tried.items()
    (latest,) = best.results_latest.values()
    by_depth = [[t["trial.score"] for t in trials if t["trial.parameter.depth"] == depth] for depth in (0, 1)]
    assert latest["depth"] == [0, 1]
    assert latest["min"] == [min(scores) for scores in by_depth]
    assert latest["max"] == [max(scores) for scores in by_depth]
    assert latest["average"] == [sum(scores) / len(scores) for scores in by_depth]
    (highest,) = best.results_best.values()
    (compiled,) = recorder.attributes_of("compile")
    assert compiled["compile.best_score"] == highest["max"][-1] == best.candidate_programs[0]["score"]


def test_each_of_several_predictors_is_named() -> None:
    """With two predictors every depth goes through both, and through all prompts so far again."""
    with recording(capture_programs=True) as recorder:
        best = _optimize(TwoSteps())
    trials = recorder.attributes_of("trial")
    assert len(trials) == best.total_calls
    assert [(trial["trial.label"], json.loads(trial["trial.candidate"])) for trial in trials] == snapshot(
        [
            ("depth 0, read, candidate 0", {"read": {"instruction": "Knows 1.", "prefix": "Sum:"}}),
            ("depth 0, read, candidate 1", {"read": {"instruction": "Knows 2.", "prefix": "Sum:"}}),
            (
                "depth 0, read, candidate 2",
                {
                    "read": {
                        "instruction": "Given the fields `question`, produce the fields `question_read`.",
                        "prefix": "Question Read:",
                    }
                },
            ),
            ("depth 0, say, candidate 0", {"say": {"instruction": "Knows 3.", "prefix": "Sum:"}}),
            ("depth 0, say, candidate 1", {"say": {"instruction": "Knows 4.", "prefix": "Sum:"}}),
            (
                "depth 0, say, candidate 2",
                {
                    "say": {
                        "instruction": "Given the fields `question`, produce the fields `answer`.",
                        "prefix": "Answer:",
                    }
                },
            ),
            ("depth 1, read, candidate 0", {"read": {"instruction": "Knows 1.", "prefix": "Sum:"}}),
            ("depth 1, read, candidate 1", {"read": {"instruction": "Knows 2.", "prefix": "Sum:"}}),
            (
                "depth 1, read, candidate 2",
                {
                    "read": {
                        "instruction": "Given the fields `question`, produce the fields `question_read`.",
                        "prefix": "Question Read:",
                    }
                },
            ),
            ("depth 1, read, candidate 3", {"read": {"instruction": "Knows 5.", "prefix": "Sum:"}}),
            ("depth 1, read, candidate 4", {"read": {"instruction": "Knows 6.", "prefix": "Sum:"}}),
            ("depth 1, read, candidate 5", {"read": {"instruction": "Knows 7.", "prefix": "Sum:"}}),
            ("depth 1, say, candidate 0", {"say": {"instruction": "Knows 3.", "prefix": "Sum:"}}),
            ("depth 1, say, candidate 1", {"say": {"instruction": "Knows 4.", "prefix": "Sum:"}}),
            (
                "depth 1, say, candidate 2",
                {
                    "say": {
                        "instruction": "Given the fields `question`, produce the fields `answer`.",
                        "prefix": "Answer:",
                    }
                },
            ),
            ("depth 1, say, candidate 3", {"say": {"instruction": "Knows 8.", "prefix": "Sum:"}}),
            ("depth 1, say, candidate 4", {"say": {"instruction": "Knows 9.", "prefix": "Sum:"}}),
            ("depth 1, say, candidate 5", {"say": {"instruction": "Knows 10.", "prefix": "Sum:"}}),
        ]
    )


def test_the_runs_in_mlflow(tmp_path: Path) -> None:
    """A run a prompt below the compile's, with depth, predictor and candidate as parameters."""
    _, runs = tracked_runs(tmp_path, _optimize)
    assert runs == snapshot(
        [
            "COPRO Predict: FINISHED",
            "  params breadth=3, depth=2, eval_kwargs.display_progress=False, eval_kwargs.display_table=0, eval_kwargs.num_threads=1, init_temperature=1.4, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, metric=exact, track_stats=True",
            "  tags dspy.compile.best_trial.index=5",
            '  metrics score/best={"0": 66.67, "1": 66.67, "2": 66.67, "3": 83.33, "4": 83.33, "5": 100.0, "6": 100.0}, score/full={"0": 66.67, "1": 66.67, "2": 50.0, "3": 83.33, "4": 83.33, "5": 100.0}, score/initial=50.0, usage/lm_calls={"0": 7.0, "1": 13.0, "2": 19.0, "3": 26.0, "4": 32.0, "5": 38.0, "6": 38.0}',
            "  artifacts best_model.json, initial_model.json, optimization_summary.json, trainset.json",
            "  1 traces",
            "    trial 0: depth 0, self, candidate 0: FINISHED",
            "      params candidate=0, depth=0, predictor=self",
            "      tags dspy.trial.index=0, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=depth 0, self, candidate 0, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=66.67, score/num_examples=6.0, usage/lm_calls=6.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
            "    trial 1: depth 0, self, candidate 1: FINISHED",
            "      params candidate=1, depth=0, predictor=self",
            "      tags dspy.trial.index=1, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=depth 0, self, candidate 1, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=66.67, score/num_examples=6.0, usage/lm_calls=6.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
            "    trial 2: start, depth 0, self, candidate 2: FINISHED",
            "      params candidate=2, depth=0, predictor=self",
            "      tags dspy.trial.index=2, dspy.trial.is_best=false, dspy.trial.kind=baseline, dspy.trial.label=depth 0, self, candidate 2, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=50.0, score/num_examples=6.0, usage/lm_calls=6.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
            "    trial 3: depth 1, self, candidate 0: FINISHED",
            "      params candidate=0, depth=1, predictor=self",
            "      tags dspy.trial.index=3, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=depth 1, self, candidate 0, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=83.33, score/num_examples=6.0, usage/lm_calls=6.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
            "    trial 4: depth 1, self, candidate 1: FINISHED",
            "      params candidate=1, depth=1, predictor=self",
            "      tags dspy.trial.index=4, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=depth 1, self, candidate 1, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=83.33, score/num_examples=6.0, usage/lm_calls=6.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
            "    trial 5: depth 1, self, candidate 2: FINISHED",
            "      params candidate=2, depth=1, predictor=self",
            "      tags dspy.trial.index=5, dspy.trial.is_best=true, dspy.trial.kind=candidate, dspy.trial.label=depth 1, self, candidate 2, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=100.0, score/num_examples=6.0, usage/lm_calls=6.0",
            "      artifacts candidate.json, changes.md, model.json, result_table.json",
            "      6 traces",
        ]
    )


def test_an_evaluation_that_raised_is_no_candidate() -> None:
    """Neither the first one, nor that of a text which was scored before."""

    def broken(*_: Any, **__: Any) -> float:
        raise KeyboardInterrupt

    optimizer: Any = dspy.COPRO(metric=broken, breadth=2, depth=1)
    evaluation = {"num_threads": 1, "display_progress": False, "display_table": 0}
    with dspy.context(lm=learning_lm()), recording() as recorder, pytest.raises(KeyboardInterrupt):
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(2), eval_kwargs=evaluation)
    (trial,) = recorder.attributes_of("trial")
    assert trial["trial.state"] == "fail"
    assert not trial["trial.is_best"]
    (compiled,) = recorder.attributes_of("compile")
    assert "compile.best_trial.index" not in compiled
    scored = Entry(index=0, score=50.0, key=(0, "Answer.", None))
    raised = Entry(index=1, score=None, failed=True, key=(0, "Answer.", None))
    assert COPROHook().select([scored, raised]) is scored
