"""Small optimizations as records, for the tests of what is computed from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_dspy.reporting.compile_result import Compile, Example, ExampleResult, Trial
from otel_dspy.reporting.trials.trial_row import ModelUse, TrialRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LABELS = ("yes", "no", "yes", "no", "yes", "no", "yes", "no", "yes", "no")


def examples(labels: Sequence[str] = LABELS) -> tuple[Example, ...]:
    """Make examples with the input `question` and the label `answer`."""
    return tuple(
        Example(str(number), {"question": f"Question {number}?"}, {"answer": label})
        for number, label in enumerate(labels)
    )


def trial(
    index: int,
    results: str,
    *,
    answers: Sequence[str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Trial:
    """Make a trial with one character for each example: `1` right, `0` wrong, `x` failed, `.` not scored.

    Args:
        index: the trial's index.
        results: the characters.
        answers: predictions of the examples by position; `right` or `wrong` if None.
        parameters: what the optimizer chose.
        **facts: fields of `TrialRow` or `Trial`.
    """
    found = tuple(
        ExampleResult(
            str(position),
            float(mark == "1"),
            {} if mark == "x" else {"answer": answers[position] if answers else ("right" if mark == "1" else "wrong")},
            "ValueError: no answer" if mark == "x" else None,
        )
        for position, mark in enumerate(results)
        if mark != "."
    )
    full = "." not in results
    score = 100 * sum(result.score for result in found) / len(found) if found else None
    row: dict[str, Any] = {
        "index": index, "label": None, "kind": "candidate" if index else "baseline", "state": "complete",
        "scope": "full" if full else "minibatch", "score": score, "unit": "percent", "best_score": score,
        "is_best": False, "parameters": parameters or {}, "input_tokens": 1000, "output_tokens": 100, "lm_calls": 10,
        "cost": 0.01, "seconds": 2.0,
    }  # fmt: skip
    own = {name: facts.pop(name) for name in list(facts) if name in Trial.__dataclass_fields__}
    return Trial(TrialRow(**(row | facts)), results=found, **own)


def optimization(*trials: Trial, best: int | None = None, labels: Sequence[str] = LABELS, **facts: Any) -> Compile:
    """Make an optimization of these trials, of which the one with index `best` won.

    Args:
        *trials: its trials.
        best: index of the winner.
        labels: the examples' labels.
        **facts: fields of `Compile`.
    """
    scores = {found.row.index: found.row.score for found in trials}
    usual: dict[str, Any] = {
        "run_id": "f" * 32, "optimizer": "MIPROv2", "program": "Classify", "metric": "exact", "unit": "percent",
        "initial_score": trials[0].row.score if trials else None, "best_score": None if best is None else scores[best], "best_trial": best,
        "duration": 75.0, "usage": ModelUse(30, 3300, 0.03), "examples": examples(labels), "trials": trials,
        "tracking_uri": "sqlite:///mlflow.db",
    }  # fmt: skip
    return Compile(**(usual | facts))
