"""Instructions of a trial that runs again."""

from __future__ import annotations

from typing import Any, cast

import dspy
import pytest

from otel_dspy.rerun.errors import RerunError
from otel_dspy.rerun.recorded_trial import RecordedTrial
from otel_dspy.rerun.trial_changes import Change

_TRIAL = RecordedTrial(cast("Any", None), (), frozenset())
"""Its row is not read."""


def applied(*instructions: str) -> dict[str, str]:
    """Return the instructions of each predictor after the change."""
    changed: Any = dspy.Predict("question -> answer")
    Change(instructions).apply(changed, trial=_TRIAL)
    return {name: predictor.signature.instructions for name, predictor in changed.named_predictors()}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("Add.", "Add."),
        ("self=Add.", "Add."),
        ("Answer x = 1 as 1.", "Answer x = 1 as 1."),
        ("self=x=1", "x=1"),
    ],
)
def test_the_only_predictor(given: str, text: str) -> None:
    """Its name may be omitted, and an instruction may contain an equals sign."""
    assert applied(given) == {"self": text}


@pytest.mark.parametrize("name", ["selff", "steps[0].predict"])
def test_an_unknown_predictor(name: str) -> None:
    """A misspelled name does not become a part of the instruction."""
    with pytest.raises(RerunError) as raised:
        applied(f"{name}=Add.")
    assert str(raised.value) == (
        f"The program has no predictor {name}; it has self. If the instruction begins with '{name}=', "
        f"write --instruction self={name}=…"
    )
