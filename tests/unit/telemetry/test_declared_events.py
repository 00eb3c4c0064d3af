"""Every log event that the contract declares is emitted, and holds what is declared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
import yaml
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, exact, examples, raising_metric
from tests.support.optimizers import Breaking, Rounds
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from tests.support.span_recorder import Recorder

SIGNALS = Path(__file__).parents[3] / "semconv" / "signals.yaml"


def _with_feedback(example: Any, prediction: Any, trace: object = None) -> Any:
    return dspy.Prediction(score=float(exact(example, prediction, trace)), feedback="so so")


class Failing(dspy.Module):
    """Never answers."""

    def forward(self, question: str) -> Any:
        """Raise."""
        raise LookupError(question)


def _declared() -> dict[str, dict[str, Any]]:
    """Event -> its attributes, each with its requirement level."""
    groups = cast("list[dict[str, Any]]", yaml.safe_load(SIGNALS.read_text(encoding="utf-8"))["groups"])
    return {
        group["name"]: {one["ref"]: one["requirement_level"] for one in group["attributes"]}
        for group in groups
        if group["type"] == "event"
    }


def _compiles() -> Recorder:
    """With a metric that explains, one that raises, an optimizer that breaks, and a trial that does."""
    program = dspy.Predict("question -> answer")
    with dspy.context(lm=addition_lm()), recording(capture_content=True) as recorder:
        Rounds(_with_feedback, rounds=1).compile(program, trainset=examples(1))
        Rounds(raising_metric, rounds=1).compile(program, trainset=examples(1))
        with pytest.raises(ArithmeticError):
            Breaking(ArithmeticError("broken")).compile(program, trainset=examples(2)[1:])
        with pytest.raises(Exception, match="errors"), dspy.context(max_errors=1):
            Rounds(exact).compile(Failing(), trainset=examples(1))
    return recorder


def test_the_events_of_compiles() -> None:
    """Whole, in order."""
    assert _compiles().events() == snapshot(
        [
            (
                "dspy.compile.started",
                {"dspy.compile.id": "c1", "dspy.optimizer.name": "Rounds", "dspy.program.name": "Predict"},
            ),
            (
                "gen_ai.evaluation.result",
                {
                    "gen_ai.evaluation.name": "_with_feedback",
                    "gen_ai.evaluation.score.value": 0.0,
                    "gen_ai.evaluation.explanation": "so so",
                },
            ),
            (
                "dspy.trial.completed",
                {
                    "dspy.compile.id": "c1",
                    "dspy.optimizer.name": "Rounds",
                    "dspy.trial.index": 0,
                    "dspy.trial.kind": "candidate",
                    "dspy.trial.state": "complete",
                    "dspy.trial.score": 0.0,
                },
            ),
            (
                "dspy.compile.completed",
                {
                    "dspy.compile.id": "c1",
                    "dspy.optimizer.name": "Rounds",
                    "dspy.program.name": "Predict",
                    "dspy.compile.trial.count": 1,
                    "dspy.compile.best_score": 0.0,
                },
            ),
            (
                "dspy.compile.started",
                {"dspy.compile.id": "c2", "dspy.optimizer.name": "Rounds", "dspy.program.name": "Predict"},
            ),
            ("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "raising_metric", "error.type": "ValueError"}),
            (
                "dspy.trial.completed",
                {
                    "dspy.compile.id": "c2",
                    "dspy.optimizer.name": "Rounds",
                    "dspy.trial.index": 0,
                    "dspy.trial.kind": "candidate",
                    "dspy.trial.state": "complete",
                    "dspy.trial.score": 0.0,
                },
            ),
            (
                "dspy.compile.completed",
                {
                    "dspy.compile.id": "c2",
                    "dspy.optimizer.name": "Rounds",
                    "dspy.program.name": "Predict",
                    "dspy.compile.trial.count": 1,
                    "dspy.compile.best_score": 0.0,
                },
            ),
            (
                "dspy.compile.started",
                {"dspy.compile.id": "c3", "dspy.optimizer.name": "Breaking", "dspy.program.name": "Predict"},
            ),
            (
                "gen_ai.evaluation.result",
                {
                    "gen_ai.evaluation.name": "exact",
                    "gen_ai.evaluation.score.value": 1.0,
                    "gen_ai.evaluation.score.label": "pass",
                },
            ),
            (
                "dspy.trial.completed",
                {
                    "dspy.compile.id": "c3",
                    "dspy.optimizer.name": "Breaking",
                    "dspy.trial.index": 0,
                    "dspy.trial.kind": "candidate",
                    "dspy.trial.state": "complete",
                    "dspy.trial.score": 100.0,
                },
            ),
            (
                "dspy.compile.completed",
                {
                    "dspy.compile.id": "c3",
                    "dspy.optimizer.name": "Breaking",
                    "dspy.program.name": "Predict",
                    "dspy.compile.trial.count": 1,
                    "error.type": "ArithmeticError",
                    "dspy.compile.best_score": 100.0,
                },
            ),
            (
                "dspy.compile.started",
                {"dspy.compile.id": "c4", "dspy.optimizer.name": "Rounds", "dspy.program.name": "Failing"},
            ),
            ("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "exact", "error.type": "LookupError"}),
            (
                "dspy.trial.completed",
                {
                    "dspy.compile.id": "c4",
                    "dspy.optimizer.name": "Rounds",
                    "dspy.trial.index": 0,
                    "dspy.trial.kind": "candidate",
                    "dspy.trial.state": "fail",
                    "error.type": "Exception",
                },
            ),
            (
                "dspy.compile.completed",
                {
                    "dspy.compile.id": "c4",
                    "dspy.optimizer.name": "Rounds",
                    "dspy.program.name": "Failing",
                    "dspy.compile.trial.count": 1,
                    "error.type": "Exception",
                },
            ),
        ]
    )


def test_every_declared_event_and_attribute_is_met() -> None:
    """None is declared that nothing emits, and what is required is there each time."""
    met: dict[str, set[str]] = {}
    for name, attributes in _compiles().events():
        assert name is not None
        required = {key for key, level in _declared()[name].items() if level == "required"}
        assert required <= set(attributes)
        met.setdefault(name, set()).update(attributes)
    assert met == {name: set(attributes) for name, attributes in _declared().items()}
