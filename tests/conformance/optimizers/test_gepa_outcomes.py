"""What a user gets from GEPA is the same with us: results, exceptions, Ctrl-C, callbacks; and it is recorded."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from gepa.strategies.proposal_sampling import IndependentSampling
from inline_snapshot import snapshot

from otel_dspy.runtime.error_guard import failures
from tests.support.dspy_answers import dspy_script
from tests.support.gepa_task import Interrupted, graded, optimize
from tests.support.gepa_trials import attributes, control_lines, trials, validation
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    import dspy


def outcome(**settings: Any) -> tuple[str, Any]:
    """What came of an optimization: its results, or what it raised."""
    try:
        return "returned", optimize(**settings).detailed_results.to_dict()
    except BaseException as error:  # noqa: BLE001 - KeyboardInterrupt is one of the outcomes
        return type(error).__name__, str(error)


def test_results_are_the_same_with_and_without_us() -> None:
    """Every number, text and parent, for each way in which GEPA works; a program's own random numbers too."""
    ways: list[dict[str, Any]] = [
        {},
        {"candidate_selection_strategy": "current_best", "component_selector": "all"},
        {"gepa_kwargs": {"cache_evaluation": True}},
        {"num_threads": 3, "gepa_kwargs": {"sampling_strategy": IndependentSampling(2)}},
    ]
    for way in ways:
        random.seed(7)
        without = outcome(**way), random.getstate()
        random.seed(7)
        with recording(capture_content=True):
            assert (outcome(**way), random.getstate()) == without
        assert without[0][0] == "returned"


class Notebook:
    """A user's callback: records the names of the calls that it gets."""

    def __init__(self) -> None:
        self.received: list[str] = []

    def __getattr__(self, name: str) -> Any:
        """A method for every event."""
        if not name.startswith("on_"):
            raise AttributeError(name)

        def receive(_: object) -> None:
            self.received.append(name)

        return receive


def test_callbacks_of_the_user_get_the_same_calls_as_before() -> None:
    """They are called with us as without us, and the user's own list stays as it was."""
    received: list[list[str]] = []
    for watched in (False, True):
        notebook = Notebook()
        given = [notebook]
        with recording() if watched else nullcontext():
            optimize(gepa_kwargs={"callbacks": given})
        assert given == [notebook]
        received.append(notebook.received)
    assert received[0] == received[1]
    assert "on_merge_accepted" in received[0]


@pytest.mark.parametrize(
    ("call", "trial", "path"),
    [
        pytest.param(3, 0, ["validate", "evaluate graded"], id="the seed's validation"),
        pytest.param(8, 1, ["evaluate_parent", "evaluate graded"], id="a parent's minibatch"),
        pytest.param(9, 1, ["reflect"], id="feedback for the reflection"),
        pytest.param(11, 1, ["evaluate_candidate", "evaluate graded"], id="a candidate's minibatch"),
        pytest.param(13, 1, ["validate", "evaluate graded"], id="a candidate's validation"),
        pytest.param(34, 4, ["merge", "evaluate_candidate", "evaluate graded"], id="a merge's minibatch"),
        pytest.param(40, 4, ["validate", "evaluate graded"], id="a merge's validation"),
    ],
)
def test_ctrl_c_in_each_phase(call: int, trial: int, path: list[str]) -> None:
    """KeyboardInterrupt reaches the user as without us; the phase, the trial and the compile that it hit say so."""
    without = outcome(metric=Interrupted(call, KeyboardInterrupt(), graded))
    with recording() as recorder:
        assert outcome(metric=Interrupted(call, KeyboardInterrupt(), graded)) == without
    assert without[0] == "KeyboardInterrupt"
    hit = [span for span in recorder.spans if attributes(span).get("error.type") == "KeyboardInterrupt"]
    names = [span.name.removeprefix("phase ") for span in hit if not span.name.startswith(("example", "metric"))]
    assert names == [*reversed([name.replace("graded", "Interrupted") for name in path]), "trial GEPA", "compile GEPA"]
    recorded = trials(recorder)
    assert [one["state"] for one in recorded][trial:] == ["fail"]


def broken_reflection(error: BaseException, at: int) -> dspy.LM:
    """The reflection model, whose `at`-th call fails."""
    calls = itertools.count(1)

    def propose(_: object) -> str:
        if next(calls) == at:
            raise error
        return "Knows 1 2."

    return in_process_lm(dspy_script({"new_instruction": propose}), model="openai/reflecting")


def test_ctrl_c_while_the_reflection_model_answers() -> None:
    """It reaches the user as without us; the call's phase and its trial say so."""
    without = outcome(reflection_lm=broken_reflection(KeyboardInterrupt(), 2))
    with recording() as recorder:
        assert outcome(reflection_lm=broken_reflection(KeyboardInterrupt(), 2)) == without
    assert without[0] == "KeyboardInterrupt"
    assert control_lines(recorder, "trial.state", "error.type")[-5:] == snapshot(
        [
            "  trial GEPA trial.state=fail error.type=KeyboardInterrupt ERROR()",
            "    phase evaluate_parent",
            "      evaluate graded",
            "    phase reflect",
            "    phase propose error.type=KeyboardInterrupt ERROR()",
        ]
    )


def always_failing(error: Exception) -> dspy.LM:
    """A reflection model that is down."""

    def fail(_: object) -> str:
        raise error

    return in_process_lm(dspy_script({"new_instruction": fail}), model="openai/reflecting")


def test_a_failed_reflection_is_a_failed_trial_and_gepa_continues() -> None:
    """GEPA swallows the error and tries the call again; the trial has the error, the next iterations are as without us."""
    failing = ValueError("the reflection model is down")
    without = outcome(reflection_lm=always_failing(failing))
    with recording() as recorder:
        assert outcome(reflection_lm=always_failing(failing)) == without
    recorded = trials(recorder)
    assert {trial["state"] for trial in recorded[1:]} == {"fail", "pruned"}
    assert recorded[1]["error.type"] == snapshot("dspy.utils.exceptions.LMUnexpectedError")
    assert [line.strip() for line in control_lines(recorder, "trial.state")][6:13] == snapshot(
        [
            "evaluate graded",
            "trial GEPA trial.state=fail ERROR([openai/reflecting] the reflection model is down)",
            "phase evaluate_parent",
            "evaluate graded",
            "phase reflect",
            "phase propose ERROR()",
            "phase propose ERROR()",
        ]
    )


def test_an_error_of_gepa_s_own_ends_trial_and_compile() -> None:
    """What a component selector raises reaches the user as without us, and its iteration has failed."""

    def broken(*_: object) -> list[str]:
        raise LookupError("no such component")

    without = outcome(component_selector=broken)
    with recording() as recorder:
        assert outcome(component_selector=broken) == without == ("LookupError", "no such component")
    assert control_lines(recorder, "trial.index", "trial.state", "error.type") == snapshot(
        [
            "compile GEPA error.type=LookupError ERROR(no such component)",
            "  setup GEPA",
            "    dataset train",
            "    dataset validation",
            "  trial GEPA trial.index=0 trial.state=complete",
            "    phase validate",
            "      evaluate graded trial.index=0",
            "  trial GEPA trial.index=1 trial.state=fail error.type=LookupError ERROR(no such component)",
            "    phase evaluate_parent",
            "      evaluate graded trial.index=1",
        ]
    )


def _with_seed(seed: int) -> Any:
    return optimize(seed=seed)


def test_two_optimizations_at_once_keep_apart() -> None:
    """In threads of their own, each compile has the trials, scores and parents of its own results."""
    with recording() as recorder, ThreadPoolExecutor(2) as pool:
        results = [best.detailed_results for best in pool.map(_with_seed, (5, 18))]
    recorded = [
        [
            trial
            for trial in trials(recorder)
            if trial["dspy.compile.id"] == compile_id and "parameter.candidate" in trial
        ]
        for compile_id in ("c1", "c2")
    ]
    found = [([trial["score"] for trial in pool], [validation(trial) for trial in pool]) for pool in recorded]
    wanted = [(result.val_aggregate_scores, result.val_subscores) for result in results]
    assert found in (wanted, wanted[::-1])
    assert wanted[0] != wanted[1]


@pytest.mark.parametrize(
    "broken",
    [
        "gepa.proposal_trials.trial_info",
        "gepa.callback.pareto_front",
        "gepa.proposal_trials.ProposalTrials.evaluates",
        "gepa.proposal_trials.ProposalTrials.proposes",
        "gepa.callback.GepaEvents.finish",
    ],
)
def test_a_failing_record_does_not_affect_the_call(broken: str) -> None:
    """Where we break, GEPA's results are the same, every iteration's trial still ends, and the failure is counted."""
    without, before = outcome(), sum(failures().values())
    with (
        mock.patch(f"otel_dspy.hooks.optimizers.{broken}", side_effect=ArithmeticError("ours")),
        recording() as recorder,
    ):
        assert outcome() == without
    assert len(trials(recorder)) >= 7
    assert len(recorder.named("compile GEPA")) == 1
    assert sum(failures().values()) > before


def test_a_merge_that_raises_after_negative_scores() -> None:
    """GEPA weighs common ancestors by their scores, which must not sum up to 0 or less: what came before is recorded."""

    def below_zero(*given: Any, **named: Any) -> Any:
        grade = graded(*given, **named)
        grade.score -= 1.0
        return grade

    without = outcome(metric=below_zero)
    assert without == ("ValueError", "Total of weights must be greater than zero")
    with recording(capture_programs=True) as recorder:
        assert outcome(metric=below_zero) == without
    (compiled,) = recorder.attributes_of("compile")
    assert compiled["error.type"] == "ValueError"
    complete = [trial for trial in trials(recorder) if trial["state"] == "complete"]
    assert [(trial["label"], round(trial["score"], 2)) for trial in complete] == [
        ("seed", -0.67),
        ("iteration 1", -0.5),
        ("iteration 4", -0.5),
    ]
    assert len({trial["dspy.program.id"] for trial in complete}) == 3
