"""Spans of trials: their number, state, score and error."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.context import Context

from otel_dspy.telemetry.spans.compile import close_compile
from otel_dspy.telemetry.spans.setup import SetupInfo, emit_setup
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import ScoreUnit, TrialInfo, TrialOutcome, TrialState
from tests.unit.telemetry.spans.emitted import Emitted
from tests.unit.telemetry.spans.opened_spans import INITIAL, opened_compile


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (TrialOutcome(), {"state": "complete", "is_best": False}),
        (TrialOutcome(score=0.5, unit=ScoreUnit.RATIO), {"state": "complete", "is_best": True, "best_score": 0.5,
                                                         "score": 0.5, "score.unit": "ratio"}),
        (TrialOutcome(score=0.5, state=TrialState.REJECTED), {"state": "rejected", "is_best": True, "best_score": 0.5,
                                                             "score": 0.5, "score.unit": "percent"}),
        (TrialOutcome(score=0.5, state=TrialState.FAIL), {"state": "fail", "is_best": False, "score": 0.5,
                                                         "score.unit": "percent"}),
        (TrialOutcome(score=0.5, error=ValueError()), {"state": "fail", "is_best": False, "score": 0.5,
                                                      "score.unit": "percent"}),
        (TrialOutcome(error=ValueError(), state=TrialState.PRUNED), {"state": "pruned", "is_best": False}),
    ],
)  # fmt: skip
def test_states_and_scores_of_a_trial(outcome: TrialOutcome, expected: dict[str, Any]) -> None:
    """What the optimizer reports of the trial, else whether it raised; a trial that failed is never the best."""
    emitted = Emitted()
    scope = opened_compile(emitted)
    trial = open_trial(emitted.telemetry, scope)
    close_trial(emitted.telemetry, trial, TrialInfo(), outcome)
    close_compile(emitted.telemetry, scope, result=None, error=None)
    found = {
        name.removeprefix("dspy.trial."): value
        for name, value in emitted.attributes(2).items()
        if name.startswith("dspy.trial.")
    }
    assert found == {"index": 0, "kind": "candidate", "scope": "full", **expected}
    assert scope.score_unit == expected.get("score.unit")


def test_trials_are_numbered_and_record_an_error_that_the_optimizer_caught() -> None:
    """A trial outside its compile's context is its child; what was raised inside makes it fail."""
    emitted = Emitted()
    scope = opened_compile(emitted)
    first = open_trial(emitted.telemetry, scope)
    second = open_trial(emitted.telemetry, scope, Context())
    second.error = KeyError("x")
    for trial in (second, first):
        close_trial(emitted.telemetry, trial, TrialInfo(), TrialOutcome())
    close_compile(emitted.telemetry, scope, result=None, error=None)
    assert emitted.tree() == [(1, None, "compile Opt"), (2, 1, "trial Opt"), (3, 1, "trial Opt")]
    assert [emitted.attributes(number)["dspy.trial.index"] for number in (2, 3)] == [0, 1]
    assert emitted.attributes(3)["error.type"] == "KeyError"
    assert emitted.attributes(3)["dspy.trial.state"] == "fail"


def test_a_trial_of_the_initial_program_names_it_without_its_state() -> None:
    """The setup span has recorded the state: a program's state is sent once for each compile."""
    emitted = Emitted(capture_programs=True)
    scope = opened_compile(emitted)
    emit_setup(emitted.telemetry, scope, SetupInfo(program=INITIAL, parameters={}, lm_model=None))
    trial = open_trial(emitted.telemetry, scope)
    close_trial(emitted.telemetry, trial, TrialInfo(), TrialOutcome(program=INITIAL))
    close_compile(emitted.telemetry, scope, result=INITIAL, error=None)
    programs = [
        {name: value for name, value in emitted.attributes(number).items() if name.startswith("dspy.program.")}
        for number in (1, 2, 3)
    ]
    ended = {"dspy.program.name": "Solver", "dspy.program.id": "p0"}
    assert programs == [ended, {**ended, "dspy.program.state": '{"a": 1}'}, {"dspy.program.id": "p0"}]
