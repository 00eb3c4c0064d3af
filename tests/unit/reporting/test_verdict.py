from __future__ import annotations

import json
from typing import Any

import pytest
from inline_snapshot import snapshot

from otel_dspy.reporting.compile_result import Predictor
from otel_dspy.reporting.report import Report
from otel_dspy.reporting.sections.prompts.prompt_change import prompt_change
from otel_dspy.reporting.sections.result.verdict import verdict
from otel_dspy.reporting.trials.trial_row import ModelUse
from tests.unit.reporting.optimizations import LABELS, optimization, trial

CHOICE = {"0_predictor_instruction": 1, "0_predictor_demos": 2}


def test_a_clear_winner() -> None:
    """Scores, the winner's choice, the paired test with its counts and the cost are in three sentences; no warning."""
    found = verdict(
        optimization(trial(0, "0000000011"), trial(1, "1111111111", parameters=CHOICE, answers=LABELS), best=1)
    )
    assert found.headline == ("MIPROv2 on Classify: from 20.0 % to 100.0 %, trial 1 won (instruction 1 + demos 2)")
    assert found.evidence == (
        "Against the start, 8 examples improved and 0 got worse, of 10 that both were scored on: "
        "more than chance (p = 0.0078, exact sign test)."
    )
    assert found.cost == "2 trials in 1 min 15 s: 30 calls, 3,300 tokens, $0.0300"
    assert found.warnings == ()
    assert found.winner is not None
    assert (found.winner.trial, found.winner.n, found.winner.score) == (1, 10, 100.0)


def test_a_gain_that_may_be_chance() -> None:
    """The verdict does not call it a success, and estimates how many examples would be needed."""
    found = verdict(optimization(trial(0, "0000110011"), trial(1, "0011110011", answers=LABELS), best=1))
    assert found.evidence == (
        "Against the start, 2 examples improved and 0 got worse, of 10 that both were scored on: "
        "could be chance (p = 0.5, exact sign test)."
    )
    assert found.needed == "With these rates, about 28 examples in all would separate the two."
    assert found.chance == "could be chance"
    assert found.warnings == ("The gain could be chance: do not rely on it without more examples.",)


def test_the_start_won() -> None:
    """No trial was better."""
    found = verdict(optimization(trial(0, "1100110011", answers=LABELS), trial(1, "0100110011"), best=0))
    assert found.headline == "MIPROv2 on Classify: no trial was better than the start, 60.0 %"
    assert found.evidence == "The optimizer returned the initial program."
    assert (found.comparison, found.warnings) == (None, ())


def test_warnings() -> None:
    """Failed examples and trials, a higher minibatch score, a winner that is worse and one that gives one answer."""
    found = verdict(
        optimization(
            trial(0, "x101010101"),
            trial(1, "111......."),
            trial(2, "0101010100", answers=["no"] * 10),
            trial(3, "", state="fail", error="litellm.RateLimitError: too many.\nWait.", scope=None),
            best=2,
        )
    )
    assert found.warnings == snapshot(
        (
            "1 of 23 example runs failed and count as score 0. The first error: ValueError: no answer",
            "1 trial failed, the first with RateLimitError: too many.",
            "On the examples that both were scored on, the winner is not better than the start.",
            "Trial 1 has a higher score, 100.0 %, but on a minibatch: on other examples, so the two do not compare.",
            'The winner answers "no" for answer in 10 of 10 examples; the labels have it 5 times.',
        )
    )


def test_trials_that_were_not_received() -> None:
    """Without them the report would have "0 trials" and no reason."""
    found = verdict(optimization(best_score=70.0, best_trial=2, missing_trials=12))
    assert (found.headline, found.warnings) == snapshot(
        (
            "MIPROv2 on Classify: from - to 70.0 %; no trial has the returned program",
            (
                "12 trials are missing: their spans were not received, and their runs in MLflow may stay RUNNING. Let samplers and the processors of a Collector keep spans named `trial`.",
            ),
        )
    )
    one = verdict(optimization(missing_trials=1)).warnings[0]
    assert one.startswith("1 trial is missing: its span was not received, and its run in MLflow may stay RUNNING.")


def test_the_winners_choice_on_a_minibatch() -> None:
    """MIPROv2 evaluates a choice that did well on minibatches once more: that is no rival of the winner."""
    choice = {"0_predictor_instruction": 1, "0_predictor_demos": 2}
    found = verdict(
        optimization(trial(0, "0000000001"), trial(1, "11........", parameters=choice), trial(2, "1111111110", parameters=choice), best=2)
    )  # fmt: skip
    assert [text for text in found.warnings if text.startswith("Trial")] == [
        "Trial 1 is the winner's choice too, with 100.0 % on a minibatch: on the whole validation set it has 90.0 %."
    ]


def test_a_choice_that_lost_in_full_after_a_minibatch() -> None:
    """Its full score is named, instead of leaving it open how good it is."""
    choice = {"0_predictor_instruction": 1, "0_predictor_demos": 2}
    found = verdict(
        optimization(trial(0, "0000011111"), trial(1, "11........", parameters=choice), trial(2, "1111000000", parameters=choice), best=0)
    )  # fmt: skip
    (warning,) = found.warnings
    assert warning == (
        "Trial 1 has a higher score, 100.0 %, but on a minibatch: on the whole validation set its choice has 40.0 % "
        "(trial 2)."
    )


def test_without_a_score_or_a_winner() -> None:
    """What is not recorded is named, in the place of a figure."""
    assert verdict(optimization()).headline == "MIPROv2 on Classify: no score was recorded"
    other = verdict(optimization(trial(0, "01"), best_score=75.0, labels=("yes", "no")))
    assert other.headline == "MIPROv2 on Classify: from 50.0 % to 75.0 %; no trial has the returned program"
    assert other.evidence == "The winner is none of the trials: no test of chance."
    failed = verdict(optimization(error="dspy.utils.ValueError: no training set.\n\n  To fix:\n  - pass one"))
    assert failed.headline == "MIPROv2 on Classify failed: ValueError: no training set"
    unscored = verdict(optimization(trial(0, "", unit=None), best=0, best_score=None, unit=None))
    assert unscored.evidence == "The optimizer scored no candidates."
    alone = verdict(optimization(trial(0, "", score=50.0), trial(1, "", score=75.0), best=1))
    assert alone.evidence == (
        "Results by example are not recorded for both the start and the winner: no test of chance."
    )


def test_what_changed_and_what_was_never_solved() -> None:
    """In one line: the predictors with new instructions, the demos, the examples that no trial solved, by position."""
    start = (Predictor("classify", "Answer."), Predictor("explain", "Explain.", ({"q": "a"},)))
    found = optimization(
        trial(0, "0000110011"), trial(1, "1110110011", answers=LABELS), best=1, initial_program=start,
        best_program=(Predictor("classify", "Think.", ({"q": "b"}, {"q": "c"})), start[1]),
    )  # fmt: skip
    judged = verdict(found)
    assert judged.changes == (
        "Changed in the prompt: new instructions of classify; 3 demos, 1 before. Never solved: 3 of 10 scored examples (3, 6, 7)."
    )
    assert judged.prompt is not None
    assert judged.prompt.title == "Instructions and demos"


@pytest.mark.parametrize(
    ("after", "title", "detail"),
    [
        ((Predictor("a", "Old."), Predictor("b", "Old.")), "Nothing", "the same instructions and demos"),
        ((Predictor("a", "New."), Predictor("b", "New.")), "Instructions", "new instructions of a and b; no demos"),
        ((Predictor("a", "Old.", ({"q": "a"},)), Predictor("b", "Old.")), "Demos",
         "1 demo, 0 before; the same instructions"),
        (tuple(Predictor(name, "New.") for name in "abcd"), "Instructions",
         "new instructions of 4 of 4 predictors; no demos"),
        ((Predictor("a" * 50, "New."), Predictor("b", "Old.")), "Instructions",
         f"new instructions of {'a' * 39}…; no demos"),
    ],
)  # fmt: skip
def test_what_changed_in_the_prompt(after: tuple[Predictor, ...], title: str, detail: str) -> None:
    """Up to three predictors by name."""
    before = (Predictor("a", "Old."), Predictor("b", "Old."))
    found = prompt_change(optimization(initial_program=before, best_program=after))
    assert found is not None
    assert (found.title, found.detail) == (title, detail)
    assert found.text == f"Changed in the prompt: {'nothing' if title == 'Nothing' else detail}."


def test_the_same_demos_are_no_change() -> None:
    """New instructions with the demos of the start; nothing is stated where a program is not recorded."""
    before, after = (Predictor("a", "Old.", ({"q": "a"},)),), (Predictor("a", "New.", ({"q": "a"},)),)
    found = prompt_change(optimization(initial_program=before, best_program=after))
    assert found is not None
    assert found.text == "Changed in the prompt: new instructions of a; the same demos."
    assert prompt_change(optimization(initial_program=before)) is None
    assert verdict(optimization()).changes == ""


def test_cost_by_role() -> None:
    """By price where each role has one, else by tokens; the largest first, those without calls left out."""
    priced = {"prompt": ModelUse(10, 300, 0.01), "task": ModelUse(20, 3000, 0.02), "metric": ModelUse()}
    found = optimization(usage_by_role=priced)
    assert verdict(found).cost.endswith("$0.0300; by role: task model $0.0200, prompt model $0.0100")
    unknown = {**priced, "prompt": ModelUse(10, 300, None)}
    assert verdict(optimization(usage_by_role=unknown)).cost.endswith(
        "; by role: task model 3,000 tokens, prompt model 300 tokens"
    )
    partly = {"task": ModelUse(20, 3000, 0.02, 5)}
    assert verdict(optimization(usage_by_role=partly)).cost.endswith("; by role: task model 3,000 tokens")


KILLED: dict[str, Any] = {"status": "KILLED", "parameters": {"num_trials": 8, "minibatch": False}}
OPEN: dict[str, Any] = {"kind": "trial", "state": "killed", "scope": None}


@pytest.mark.parametrize(
    ("facts", "ending", "cause"),
    [
        ({"error": "KeyboardInterrupt"}, "stopped by the user", []),
        ({"error": "SystemExit: 3"}, "ended by its program", ["SystemExit: 3."]),
        ({"stop_reason": "process 7 was terminated (SIGTERM) before it ended"}, "terminated",
         ["Process 7 was terminated (SIGTERM) before it ended."]),
        ({"error": "asyncio.exceptions.CancelledError"}, "canceled", []),
        ({"error": "otel_dspy.budget.BudgetExceeded: MIPROv2 has exceeded its budget."}, "stopped at its budget",
         ["BudgetExceeded: MIPROv2 has exceeded its budget."]),
        ({"stop_reason": "process 7 on host exited before it ended"}, "ended with its process",
         ["Process 7 on host exited before it ended."]),
        ({}, "ended early", []),
    ],
)  # fmt: skip
def test_one_that_was_stopped(facts: dict[str, Any], ending: str, cause: list[str]) -> None:
    """How, after how many of the planned trials, the best so far, and how to load its program."""
    found = optimization(
        trial(0, "0011"), trial(1, "0111", parameters=CHOICE), trial(2, "", **OPEN),
        best=1, labels=LABELS[:4], **KILLED, **facts,
    )  # fmt: skip
    judged = verdict(found)
    assert judged.headline == (
        f"MIPROv2 on Classify, {ending} after 2 of 9 trials: best 75.0 %, trial 1 (instruction 1 + demos 2)"
    )
    load = f'Its best program so far: otel_dspy.best_program("{"f" * 32}", program)'
    assert list(judged.warnings[: 1 + len(cause)]) == [load, *cause]
    first = optimization(trial(0, "", **OPEN), initial_score=None, **KILLED, **facts)
    assert verdict(first).headline == f"MIPROv2 on Classify, {ending} before the end of its first trial"
    assert list(verdict(first).warnings) == cause


def test_trials_that_were_in_progress_have_not_failed() -> None:
    """A trial that was interrupted counts neither as ended nor as failed."""
    interrupted = trial(1, "", kind="trial", state="fail", scope=None, error="KeyboardInterrupt")
    judged = verdict(optimization(trial(0, "0011"), interrupted, best=0, error="KeyboardInterrupt", **KILLED))
    assert judged.headline.endswith("after 1 of 9 trials: best 50.0 %, trial 0 (start)")
    assert judged.evidence == "No trial was better than the start."
    assert not any("failed" in warning for warning in judged.warnings)


def test_scores_that_are_no_finite_numbers() -> None:
    """The record has none for NaN and infinity: the optimizer has scored the trial, and may have returned its program."""
    start, other = trial(0, "", scope="full"), trial(1, "0111")
    kept = verdict(optimization(start, other, best=0, best_score=None, initial_score=None, labels=LABELS[:4]))
    assert kept.headline == "MIPROv2 on Classify: trial 0 won (start), whose score is not a finite number"
    assert kept.evidence == (
        "The optimizer returned the initial program. The winner's score is not a finite number: no test of chance."
    )
    left = verdict(optimization(start, other, best=1, initial_score=None, labels=LABELS[:4]))
    assert left.headline == "MIPROv2 on Classify: 75.0 %, trial 1 won (candidate)"
    assert left.evidence == (
        "The score of the initial program is not a finite number: there is nothing to compare the winner with."
    )


@pytest.mark.parametrize("scope", ["full", "minibatch"])
def test_no_score_is_a_finite_number(scope: str) -> None:
    """The optimizer has scored its candidates: a trial has a unit with a score alone, and the summary has NaN as null."""
    every = optimization(trial(0, "", scope=scope), trial(1, "", scope=scope), best=0, best_score=None)
    assert verdict(every).evidence == (
        "No trial has a score that is a finite number: correct the metric. There is nothing to compare."
    )
    unscored = trial(0, "", scope=scope, unit=None)
    assert not unscored.has_no_finite_score
    found = verdict(optimization(unscored, best=0, best_score=None, unit=None))
    assert found.headline == "MIPROv2 on Classify: no score was recorded"
    assert found.evidence == "The optimizer scored no candidates."


def test_a_candidate_is_not_taken_for_the_start() -> None:
    """Without a baseline the start is the trial of the initial program; if there is none, nothing is compared."""
    initial, other = (Predictor("a", "Old."),), (Predictor("a", "New."),)
    first = trial(0, "0011", kind="candidate", program=other)
    second = trial(1, "0111", kind="candidate", program=initial)
    found = optimization(first, second, best=0, labels=LABELS[:4], initial_program=initial)
    assert found.start is second
    alone = verdict(
        optimization(first, best=0, labels=LABELS[:4], initial_program=initial, initial_score=None, optimizer="SIMBA")
    )
    assert alone.headline == "SIMBA on Classify: 50.0 %, trial 0 won (candidate)"
    assert alone.evidence == "The initial program was not scored: there is nothing to compare the winner with."
    assert (alone.start, alone.comparison) == (None, None)


@pytest.fixture
def small() -> Report:
    """The report on two trials."""
    return Report(optimization(trial(0, "0011"), trial(1, "1111", parameters=CHOICE), best=1, labels=LABELS[:4]))


def test_as_text(small: Report) -> None:
    """Verdict, table of trials and the place of the run."""
    assert str(small) == snapshot("""\
MIPROv2 on Classify: from 50.0 % to 100.0 %, trial 1 won (instruction 1 + demos 2)
Against the start, 2 examples improved and 0 got worse, of 4 that both were scored on: could be chance (p = 0.5, exact sign test). With these rates, about 11 examples in all would separate the two.
Each scored example was solved in some trial.
2 trials in 1 min 15 s: 30 calls, 3,300 tokens, $0.0300
! The gain could be chance: do not rely on it without more examples.

Trials (* is the winner)

  trial   scope     score   tried                     tokens   seconds
 ──────────────────────────────────────────────────────────────────────
      0   full     50.0 %   start                      1,100       2.0
      1   full    100.0 %   instruction 1 + demos 2    1,100       2.0

2 trials; the whole optimization: 30 calls, 3,300 tokens, $0.0300

Run ffffffffffffffffffffffffffffffff in sqlite:///mlflow.db
""")


def test_as_json(small: Report) -> None:
    """The same numbers as data, with those of each trial."""
    found = json.loads(small.json)
    assert (found["initial_score"], found["best_score"], found["best_trial"], found["unit"]) == (50, 100, 1, "percent")
    assert found["verdict"]["headline"] == small.verdict.headline
    assert found["verdict"]["comparison"]["gained"] == ["0", "1"]
    assert found["verdict"]["comparison"]["test"]["p_value"] == 0.5
    assert [(one["index"], one["choice"], one["score"], one["n"]) for one in found["trials"]] == [
        (0, "start", 50.0, 4),
        (1, "instruction 1 + demos 2", 100.0, 4),
    ]


def test_the_table_of_trials_ends_with_the_totals_of_the_run() -> None:
    """Those of the first line, by model if there are several; the sum over the trials where no totals are recorded."""

    def text(**facts: Any) -> str:
        return " ".join(Report(optimization(trial(0, "01"), labels=LABELS[:2], **facts)).text.split())

    models = {"a": ModelUse(20, 2000, 0.02), "b": ModelUse(10, 1300, 0.01)}
    whole = "2.0 1 trial; the whole optimization: 30 calls, 3,300 tokens, $0.0300"
    assert f"{whole} a: 20 calls, 2,000 tokens, $0.0200 b: 10 calls" in text(usage_by_model=models)
    assert f"{whole} Run" in text(usage_by_model={"a": ModelUse(30, 3300, 0.03)})
    assert "2.0 1 trial: 10 calls, 1,100 tokens, $0.0100 Run" in text(usage=ModelUse())
