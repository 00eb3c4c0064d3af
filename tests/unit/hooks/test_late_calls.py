"""`Evaluate` that has raised while its threads go on: their calls end after the spans that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dspy
import pytest

from tests.support.addition_task import examples
from tests.support.gated_evaluation import GatedEvaluation, GoesOn
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from tests.support.span_recorder import Recorder


def _sums(recorder: Recorder, name: str) -> list[tuple[int, int, int | None]]:
    """Calls, input tokens and late calls of each span of that name."""
    return [
        (one["usage.lm_calls"], one["usage.input_tokens"], one.get("usage.late_calls"))
        for one in recorder.attributes_of(name)
    ]


# After an error, DSPy's pool drops the examples that wait for a thread; after None it runs them too.
@pytest.mark.parametrize(("verdict", "late"), [(ValueError("broken"), 3), (None, 5)], ids=["raises", "none"])
def test_calls_that_end_after_their_trial(verdict: Exception | None, late: int) -> None:
    """The trial's sum is final; the compile, which is still open, adds the calls and records their number."""
    gated = GatedEvaluation(verdict)
    with recording() as recorder, dspy.context(lm=in_process_lm(gated.script)):
        GoesOn(gated).compile(dspy.Predict("question -> answer"), trainset=examples(2))
    assert _sums(recorder, "evaluate") == [(1, 10, None), (2, 20, None)]
    assert _sums(recorder, "trial") == [(1, 10, None), (2, 20, None)]
    assert _sums(recorder, "compile") == [(3 + late, 30 + 10 * late, late)]
    assert sum(one.get("lm.late", False) for one in recorder.attributes_of("chat")) == late


@pytest.mark.parametrize(("verdict", "late"), [(ValueError("broken"), 3), (None, 5)], ids=["raises", "none"])
def test_calls_that_end_after_everything_around(verdict: Exception | None, late: int) -> None:
    """They are in the sums of their examples, and the calls' spans say that the evaluation's sum lacks them."""
    gated = GatedEvaluation(verdict)
    with recording() as recorder, dspy.context(lm=in_process_lm(gated.script)):
        gated.evaluate(dspy.Predict("question -> answer"))
        gated.let_go_on()
    assert _sums(recorder, "evaluate") == [(1, 10, None)]
    assert _sums(recorder, "example") == [(1, 10, None)] * (1 + late)
    assert sum(one.get("lm.late", False) for one in recorder.attributes_of("chat")) == late
