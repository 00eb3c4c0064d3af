"""Pages of optimizations that have no winner, or none that they returned."""

from __future__ import annotations

from typing import Any

from otel_dspy.reporting.report import Report
from tests.unit.reporting.optimizations import optimization, trial

FAILED = "ValueError: no answer"


def test_every_example_failed() -> None:
    """Nothing is compared with a winner, the error is named as what to correct, and no winner is loaded."""
    report = Report(
        optimization(
            trial(0, "xxxxxxxxxx", state="fail", error=FAILED),
            trial(1, "xxxxxxxxxx", state="fail", error=FAILED),
            status="FAILED",
            error=FAILED,
        )
    )
    assert report.verdict.headline == f"MIPROv2 on Classify failed: {FAILED}"
    assert report.verdict.evidence == "No trial won."
    assert "10 examples never solved. Each of their runs failed: correct the error first.</p>" in report.html
    assert '<h2 id="setup">Setup</h2>' in report.html
    assert "best_model.json" not in report.html


def test_every_example_of_the_returned_program_failed() -> None:
    """It is no winner; the table of trials states the failure once, in one line."""
    error = "dspy.NoKeyError: no key.\n\n  To fix:\n  …"
    trials = [trial(index, "xx", failure="NoKeyError: no key", error=error) for index in range(2)]
    report = Report(optimization(*trials, best_score=0.0, error=error))
    assert report.verdict.headline == "MIPROv2 on Classify failed: NoKeyError: no key"
    assert report.verdict.evidence == "No trial won: every example failed."
    assert "every example failed: NoKeyError: no key</td>" in report.html
    assert "★" not in report.description


def test_some_examples_were_answered() -> None:
    """Then a wrong label may be the reason."""
    report = Report(optimization(trial(0, "0x11111111"), best=0))
    assert "2 examples never solved. Check their labels first.</p>" in report.html


def test_a_stopped_optimization_is_loaded_by_its_run() -> None:
    """It has returned no program, so that there is no artifact of it."""
    report = Report(optimization(trial(0, "0000110011"), best=0, status="KILLED", error="KeyboardInterrupt"))
    run = "f" * 32
    call = f"otel_dspy.best_program(&#39;{run}&#39;, Classify(...), tracking_uri=&#39;sqlite:///mlflow.db&#39;)"
    assert call in report.html
    assert "best_model.json" not in report.html


def test_a_trial_that_was_stopped_has_not_failed() -> None:
    """Text and page name its state as the headline does."""
    error = "otel_dspy.budget.BudgetExceeded: MIPROv2 has exceeded its budget"
    stopped = trial(1, "11........", state="fail", error=error)
    report = Report(optimization(trial(0, "0000110011"), stopped, best=0, status="KILLED", error=error))
    assert "      1   minibatch   stopped   candidate" in report.text
    assert "<td>stopped: BudgetExceeded: MIPROv2 has exceeded its budget</td>" in report.html


def test_an_optimizer_that_raised_returned_nothing() -> None:
    """How far it came, the best so far and how to load it, as for one that was stopped; the error in the headline."""
    given: dict[str, Any] = {
        "status": "FAILED",
        "error": "sqlite3.OperationalError: database is locked",
        "parameters": {"num_trials": 8},
    }
    report = Report(optimization(trial(0, "0000110011"), trial(1, "0000110010"), best=0, **given))
    assert report.verdict.headline == (
        "MIPROv2 on Classify failed after 2 of 9 trials, best 40.0 %, trial 0 (start): "
        "OperationalError: database is locked"
    )
    assert report.verdict.evidence == "No trial was better than the start."
    load = f'Its best program so far: otel_dspy.best_program("{"f" * 32}", program)'
    assert report.verdict.warnings == (load,)
    assert report.description.count("database is locked") == 1
    unscored = Report(optimization(trial(0, ""), best=0, best_score=None, **given))
    assert unscored.verdict.headline == "MIPROv2 on Classify failed: OperationalError: database is locked"
