"""A user's own Teleprompter: whatever it does inside `compile`, the record is there, marked as derived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
from dspy.teleprompt import BootstrapFewShot, Teleprompter
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizer_runs import tracked_runs
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path


class Instructions(Teleprompter):
    """Tries instructions, and bootstraps demos for the best; takes its arguments by other names than DSPy's."""

    def __init__(self, metric: Any, texts: list[str]) -> None:
        super().__init__()
        self.metric = metric
        self.texts = texts
        self.tried: list[tuple[str, float]] = []

    def compile(self, student: Any, *, trainset: list[Any], valset: list[Any] | None = None, **_: Any) -> Any:
        """The best of the programs, with demos."""
        evaluate: Any = dspy.Evaluate(devset=valset or trainset, metric=self.metric, num_threads=1)
        programs: list[tuple[float, Any]] = []
        for text in self.texts:
            program = student.deepcopy()
            program.signature = program.signature.with_instructions(text)
            score: float = evaluate(program).score
            self.tried.append((text, score))
            programs.append((score, program))
        best: Any = max(programs, key=lambda found: found[0])[1]
        nested: Any = BootstrapFewShot(self.metric, max_labeled_demos=1)
        return nested.compile(best, trainset=trainset)


def _optimize(kind: type[Instructions]) -> Any:
    optimizer = kind(exact, ["Add.", "Add carefully."])
    with dspy.context(lm=addition_lm()):
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(3), valset=examples(4))
    return optimizer


SHOWN = ("trial.index", "trial.kind", "trial.score", "trial.derived", "trial.is_best", "compile.parent", "compile.best")


def test_defined_before_and_after_instrument() -> None:
    """Both are recorded alike: each evaluation a derived trial with DSPy's score, the nested compile inside."""
    with recording() as before:
        optimizer = _optimize(Instructions)
    with recording() as after:

        class InstructionsToo(Instructions):
            """Defined while DSPy is instrumented, with a compile of its own."""

            def compile(self, student: Any, *, trainset: list[Any], valset: list[Any] | None = None, **_: Any) -> Any:
                return super().compile(student, trainset=trainset, valset=valset)

        later = _optimize(InstructionsToo)
    tree = before.control("compile", *SHOWN)
    assert tree == snapshot(
        [
            "compile Instructions compile.best_score=50.0 compile.best_trial.index=0 trial.score.unit=percent",
            "  setup Instructions",
            "    dataset train",
            "    dataset validation",
            "  trial Instructions trial.derived=True trial.index=0 trial.is_best=True trial.kind=candidate trial.score=50.0 trial.score.unit=percent",
            "    evaluate exact trial.index=0",
            "  trial Instructions trial.derived=True trial.index=1 trial.is_best=False trial.kind=candidate trial.score=50.0 trial.score.unit=percent",
            "    evaluate exact trial.index=1",
            "  compile BootstrapFewShot compile.parent.id=c1",
            "    setup BootstrapFewShot compile.parent.id=c1",
            "      dataset train",
            "    compile LabeledFewShot compile.parent.id=c2",
            "      setup LabeledFewShot compile.parent.id=c2",
            "        dataset train",
            "      phase select",
            "    phase bootstrap",
            "      evaluate exact",
            "    phase select",
        ]
    )
    renamed = [line.replace("InstructionsToo", "Instructions") for line in after.control("compile", *SHOWN)]
    assert renamed == tree
    for recorder, made in ((before, optimizer), (after, later)):
        recorded = [(span.attributes or {})["dspy.trial.score"] for span in recorder.named("trial")]
        assert recorded == [score for _, score in made.tried]


def test_the_run_tree(tmp_path: Path) -> None:
    """A run for the compile, a run a derived trial, the nested compile below, the training set once."""
    optimizer, runs = tracked_runs(tmp_path, lambda: _optimize(Instructions))
    assert runs == snapshot(
        [
            "Instructions Predict: FINISHED",
            '  params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, metric=exact, texts=["Add.", "Add carefully."]',
            "  tags dspy.compile.best_trial.index=0",
            '  metrics score/best={"0": 50.0, "1": 50.0, "2": 50.0}, score/full={"0": 50.0, "1": 50.0}, usage/lm_calls={"0": 4.0, "1": 8.0, "2": 11.0}',
            "  artifacts best_model.json, initial_model.json, optimization_summary.json, trainset.json, valset.json",
            "  1 traces",
            "    BootstrapFewShot Predict: FINISHED",
            "      params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_bootstrapped_demos=4, max_errors=10, max_labeled_demos=1, max_rounds=1, metric=exact",
            "      metrics usage/lm_calls=3.0",
            "      artifacts best_model.json, bootstrap_table.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "      3 traces",
            "        LabeledFewShot Predict: FINISHED",
            "          params k=1, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, sample=True",
            "          metrics usage/lm_calls=0.0",
            "          artifacts best_model.json, candidates/demos.json, initial_model.json, optimization_summary.json",
            "    trial 0: FINISHED",
            "      tags dspy.trial.derived=true, dspy.trial.index=0, dspy.trial.is_best=true, dspy.trial.kind=candidate, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=50.0, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 1: FINISHED",
            "      tags dspy.trial.derived=true, dspy.trial.index=1, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/full=50.0, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      4 traces",
        ]
    )
    assert [score for _, score in optimizer.tried] == [50.0, 50.0]
