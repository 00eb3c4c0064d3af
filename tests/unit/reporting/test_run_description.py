"""The description of an optimization's run, in Markdown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from inline_snapshot import snapshot

from otel_dspy.reporting.report import Report
from otel_dspy.reporting.run_description import running_description
from tests.unit.reporting.optimizations import LABELS, optimization, trial

CHOICE = {"0_predictor_instruction": 1, "0_predictor_demos": 2}


def test_a_winner() -> None:
    """Verdict, the best trials on the whole validation set with their differences, warnings, the report."""
    found = optimization(
        trial(0, "0000110011"),
        trial(1, "1111......"),
        trial(2, "0011110011", parameters=CHOICE, answers=LABELS),
        trial(3, "0000110010", label="seed -1"),
        best=2,
    )
    assert Report(found).description.splitlines() == snapshot(
        [
            "**MIPROv2 on Classify: from 40.0 % to 60.0 %, trial 2 won (instruction 1 + demos 2)**",
            "",
            "Against the start, 2 examples improved and 0 got worse, of 10 that both were scored on: could be chance (p = 0.5, exact sign test).  ",
            "Never solved: 2 of 10 scored examples (6, 7).  ",
            "4 trials in 1 min 15 s: 30 calls, 3,300 tokens, $0.0300",
            "",
            "| trial | tried | score | examples | against the start |",
            "| ---: | --- | ---: | ---: | ---: |",
            "| 2 ★ | instruction 1 + demos 2 | 60.0 % | 10 | +20.0 |",
            "| 0 | start | 40.0 % | 10 |  |",
            "| 3 | seed -1 | 30.0 % | 10 | -10.0 |",
            "",
            "- With these rates, about 28 examples in all would separate the two.",
            "- The gain could be chance: do not rely on it without more examples.",
            "- Trial 1 has a higher score, 100.0 %, but on a minibatch: on other examples, so the two do not compare.",
            "",
            "Report: artifact `report.html`, or `otel-dspy report ffffffffffffffffffffffffffffffff`",
        ]
    )


@pytest.mark.parametrize(
    ("optimizer", "parameters", "progress"),
    [
        ("MIPROv2", {"num_trials": 8}, "phase search, 2 of 9 trials"),
        ("SIMBA", {}, "phase step 4, 2 trials"),
        ("SIMBA", {"max_steps": 5}, "phase step 4, 2 trials"),
        ("SIMBA", {"max_steps": 4}, "phase validate, 2 trials"),
        ("SIMBA", {"max_steps": 4.0}, "phase validate, 2 trials"),
        ("InferRules", {}, "2 trials"),
        ("BootstrapFinetune", {}, "phase finetune, 2 trials"),
        ("GEPA", {}, "2 trials"),
    ],
)
def test_while_it_runs(optimizer: str, parameters: dict[str, float], progress: str) -> None:
    """Phase, trial of how many, which one runs, and the best so far; GEPA's phases are parts of its trials."""
    found = optimization(
        trial(0, "0011"),
        trial(1, "0111", parameters={"step": 3}),
        trial(2, "", state="running", kind="candidate"),
        best=1,
        labels=LABELS[:4],
        status="RUNNING",
        optimizer=optimizer,
        parameters=parameters,
    )
    assert Report(found).description.splitlines()[0] == (
        f"**{optimizer} on Classify, so far: {progress}, trial 2 is running, best 75.0 %, trial 1 (step=3)**"
    )
    ended = replace(found, status="FINISHED")
    assert "phase" not in Report(ended).description


@pytest.mark.parametrize(
    ("optimizer", "ended_phases", "phase"),
    [
        ("MIPROv2", "", "phase bootstrap, "),
        ("MIPROv2", "bootstrap", "phase propose, "),
        ("MIPROv2", "propose", "phase search, "),
        ("MIPROv2", "propose bootstrap", "phase search, "),
        ("BootstrapFewShot", "", "phase bootstrap, "),
        ("InferRules", "", "phase bootstrap, "),
        ("BootstrapFinetune", "", "phase bootstrap, "),
        ("SIMBA", "", "phase step 0, "),
        ("GEPA", "", ""),
    ],
)
def test_before_the_first_trial(optimizer: str, ended_phases: str, phase: str) -> None:
    """The phase after the one that ended last; there is no table, and no usage is recorded."""
    ended = frozenset(ended_phases.split())
    found = optimization(status="RUNNING", optimizer=optimizer, ended_phases=ended, parameters={"num_trials": 8})
    trials = "0 of 9 trials" if optimizer == "MIPROv2" else "0 trials"
    assert running_description(found).splitlines() == [
        f"**{optimizer} on Classify, so far: {phase}{trials}, no full score yet**",
        "",
        f"Report: `otel-dspy report {'f' * 32}`",
    ]


@pytest.mark.parametrize(("results", "phase"), [("01", "phase step 2, 2 trials"), ("", "phase step 1, 2 trials")])
def test_a_step_of_simba(results: str, phase: str) -> None:
    """A candidate is scored at the end of its step; one whose strategy failed ends before that, without a score."""
    found = optimization(
        trial(0, "01", parameters={"step": 0}),
        trial(1, results, state="complete" if results else "fail", parameters={"step": 1}),
        best=0,
        labels=LABELS[:2],
        status="RUNNING",
        optimizer="SIMBA",
        parameters={"max_steps": 3},
    )
    assert f"so far: {phase}, best" in running_description(found).splitlines()[0]


def test_a_running_optimization_without_a_good_example() -> None:
    """A trial in which every example failed is not the best so far."""
    failed = trial(0, "xx", is_best=True, failure="ValueError: no labels")
    found = optimization(failed, labels=LABELS[:2], status="RUNNING", optimizer="GEPA")
    assert running_description(found).splitlines()[0] == "**GEPA on Classify, so far: 1 trial, no full score yet**"


def test_a_trial_that_has_not_ended_does_not_count() -> None:
    """Neither in the headline nor in the sentence on cost, which includes what it used."""
    found = optimization(
        trial(0, "01"), trial(1, "", state="running", kind="candidate"), best=0, labels=LABELS[:2], status="RUNNING"
    )
    lines = running_description(found).splitlines()
    assert ("so far: phase search, 1 trial, trial 1 is running" in lines[0], lines[2].partition(" in ")[0]) == (
        True,
        "1 trial",
    )


def test_only_the_best_five() -> None:
    """A hundred trials make no page; of equal scores the earlier trial comes first."""
    trials = [trial(index, "0" * (9 - index % 10) + "1" * (1 + index % 10)) for index in range(100)]
    lines = Report(optimization(*trials, best=9)).description.splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("| ")][2:] == [
        "9 ★",
        "19",
        "29",
        "39",
        "49",
    ]


def test_recorded_text_is_not_markup() -> None:
    """Labels and messages are shown as they are, on one line."""
    failed = optimization(
        trial(0, "0000000000", kind="candidate", label="a|b\n**bold** <i>"), error="ValueError: [x](http://y) `z`"
    )
    text = Report(failed).description
    assert r"a\|b \*\*bold\*\* &lt;i&gt;" in text
    assert r"ValueError: \[x\](http://y) \`z\`" in text


def test_a_link_to_the_saved_view_of_trials() -> None:
    """Where the experiment is known: relative to MLflow's pages, whatever its address."""
    found = replace(optimization(trial(0, "01")), experiment_id="7")
    assert Report(found).description.splitlines()[-1] == (
        "Report: artifact `report.html`, or `otel-dspy report ffffffffffffffffffffffffffffffff` · "
        "[Trials of the experiment, best first](#/experiments/7/runs?viewStateShareKey=otel-dspy-trials)"
    )
