"""The report's page has the numbers of the objects that DSPy's optimizers return, and of the models that were called.

`test_in_mlflows_pages.py` does the same for MLflow's pages, in a browser.
"""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import dspy

import otel_dspy
from otel_dspy.environment.variable_names import REPORT
from tests.support import gepa_task
from tests.support.addition_task import exact, examples
from tests.support.experiment_in_store import recorded, store
from tests.support.learning_lm import learning_lm
from tests.support.report_page import ReportPage

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    import pytest

TOKENS = 15
"""Of each call of a model of these tests: 10 in, 5 out."""


@dataclass
class Opened:
    """The page of an optimization, when it has ended."""

    page: ReportPage | None = None

    @property
    def found(self) -> ReportPage:
        """The page."""
        assert self.page is not None
        return self.page


@contextmanager
def reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Opened]:
    """Record an optimization and open its page."""
    monkeypatch.setenv(REPORT, "false")  # this is what is read here, by the command's way
    uri, opened = store(folder), Opened()
    with recorded(uri):
        yield opened
    opened.page = ReportPage(otel_dspy.report(tracking_uri=uri).html)


def sign_test(gained: int, lost: int) -> float:
    """Two-sided exact p-value of gains against losses."""
    n = gained + lost
    return min(1.0, 2 * sum(math.comb(n, more) for more in range(max(gained, lost), n + 1)) / 2**n) if n else 1.0


def check_changes(page: ReportPage, before: Sequence[float], after: Sequence[float], never: Sequence[int]) -> None:
    """Compare verdict, boxes and flip matrix with the scores of start and winner by example."""
    gained = [place for place, score in enumerate(after) if score > before[place]]
    lost = [place for place, score in enumerate(after) if score < before[place]]
    p_value = sign_test(len(gained), len(lost))
    chance = "more than chance" if p_value < 0.05 else "could be chance"
    assert (
        f"{len(gained)} example{'s' * (len(gained) != 1)} improved and {len(lost)} got worse, "
        f"of {len(before)} that both were scored on: {chance} (p = {p_value:.2g}, exact sign test)."
    ) in page.texts["verdict"]
    assert page.figures["Is the gain real?"][0] == chance.capitalize()
    assert page.figures["Examples"][0] == f"▲ {len(gained)} ▼ {len(lost)} ∅ {len(never)}"
    ids = {sign: ", ".join(map(str, places)) or "none" for sign, places in (("▲", gained), ("▼", lost), ("∅", never))}
    assert page.figures["Examples"][1] == (
        f"▲ improved: {ids['▲']}; ▼ got worse: {ids['▼']} (winner against start); "
        f"∅ never solved by the trials that scored them: {('examples ' if len(never) > 1 else 'example ') if never else ''}{ids['∅']}; "
        f"of {len(before)} scored examples"
    )
    assert (
        f"▲ {len(gained)} improved, ▼ {len(lost)} got worse (winner against start), ∅ {len(never)} never solved"
        in page.texts["flips"]
    )
    named = [("Improved", gained), ("Got worse", lost)]
    sentences = [f"{title}: {', '.join(map(str, places))}." for title, places in named if places]
    assert " ".join(sentences) in page.texts["flips"]
    shown = [line.split() for line in page.texts["flips"].splitlines()]
    by_sign = {sign: sorted(int(line[0]) for line in shown if len(line) == 3 and line[1] == sign) for sign in "▲▼∅"}
    assert by_sign == {"▲": gained, "▼": lost, "∅": list(never)}
    assert [int(row["example"]) for row in page.tables.get("Table of hard cases", [])] == list(never)


def check_cost(page: ReportPage, **calls: int) -> None:
    """Compare the cost, in all and by role, with the calls that the models got."""
    total = sum(calls.values())
    figure, text = page.figures["Cost"]
    assert figure == f"{TOKENS * total:,} tokens"
    assert f"{total} calls, {TOKENS * total:,} tokens, price unknown" in text
    rows = {row["role"]: (row["calls"], row["tokens"]) for row in page.tables["By role"]}
    ordered = sorted(calls.items(), key=lambda one: -one[1])
    assert text.endswith(
        f"by role: {', '.join(f'{role} model {TOKENS * number:,} tokens' for role, number in ordered)}"
    )
    assert set(rows) == {f"{role} model" for role in calls}


def test_random_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores, changes and cost: of `candidate_programs`, its scores by example, and the model's calls."""
    calls: list[int] = []
    lm = learning_lm(before=lambda: calls.append(1))
    with reported(tmp_path, monkeypatch) as opened, dspy.context(lm=lm):
        search: Any = dspy.BootstrapFewShotWithRandomSearch(
            metric=exact, num_threads=1, max_labeled_demos=2, num_candidate_programs=2
        )
        best = search.compile(dspy.Predict("question -> answer"), trainset=examples(3), valset=examples(8))
    page = opened.found
    by_seed: dict[int, Any] = {found["seed"]: found for found in best.candidate_programs}
    scored = [by_seed[seed] for seed in sorted(by_seed)]
    highest = max(scored, key=lambda found: found["score"])
    place = scored.index(highest)
    assert place > 0
    assert page.headline == (
        f"BootstrapFewShotWithRandomSearch on Predict: from {scored[0]['score']:.1f} % to {highest['score']:.1f} %, "
        f"trial {place} won (seed {highest['seed']})"
    )
    assert page.figures["Start: trial 0"][0] == f"{scored[0]['score']:.1f} %"
    assert page.figures[f"Winner: trial {place}"][0] == f"{highest['score']:.1f} %"
    assert [(row["tried"], row["score"]) for row in page.tables["Table of trials"]] == [
        (f"{'' if number else 'start, '}seed {found['seed']}", f"{found['score']:.1f} %")
        for number, found in enumerate(scored)
    ]
    results = [[float(score) for score in found["subscores"]] for found in scored]
    never = [number for number in range(8) if not any(scores[number] for scores in results)]
    assert never
    check_changes(page, results[0], results[place], never)
    demos = len(best.demos)
    assert page.figures["Changed in the prompt"] == ["Demos", f"{demos} demos, 0 before; the same instructions"]
    check_cost(page, task=len(calls))


def test_mipro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of all trials are those of `trial_logs`; changes: the returned program is evaluated once more."""
    calls: list[int] = []
    proposals: list[int] = []
    solved: set[str] = set()

    def noted(example: Any, prediction: Any, trace: object = None) -> bool:
        """The metric, which notes what any trial has solved: minibatches are in no object that MIPROv2 returns."""
        right = exact(example, prediction)
        if right and trace is None:
            solved.add(example["question"])
        return right

    lm, prompts = learning_lm(before=lambda: calls.append(1)), learning_lm(before=lambda: proposals.append(1))
    student, valset = dspy.Predict("question -> answer"), examples(10)
    with reported(tmp_path, monkeypatch) as opened, dspy.context(lm=lm):
        optimizer: Any = dspy.MIPROv2(
            metric=cast("Any", noted), auto=None, num_candidates=3, num_threads=1, max_labeled_demos=1,
            max_bootstrapped_demos=1, seed=3, prompt_model=prompts,
        )  # fmt: skip
        best = optimizer.compile(
            student, trainset=examples(4), valset=valset, num_trials=5, minibatch_size=4, minibatch_full_eval_steps=2
        )
    page, made = opened.found, {"task": len(calls), "prompt": len(proposals)}
    logs = [best.trial_logs[number] for number in sorted(best.trial_logs)]
    full = [log.get("full_eval_score") for log in logs]
    assert page.headline.startswith(f"MIPROv2 on Predict: from {full[0]:.1f} % to {best.score:.1f} %, trial ")
    winner = next(place for place, score in enumerate(full) if score == best.score)
    assert page.figures[f"Winner: trial {winner}"][0] == f"{best.score:.1f} %"
    assert [(row["scope"], row["score"]) for row in page.tables["Table of trials"]] == [
        ("minibatch", f"{log['mb_score']:.1f} %") if "mb_score" in log else ("full", f"{log['full_eval_score']:.1f} %")
        for log in logs
    ]
    evaluations = [log["total_eval_calls_so_far"] for log in logs]
    assert [int(row["examples"]) for row in page.tables["Table of trials"]] == [
        after - before for before, after in zip([0, *evaluations], evaluations, strict=False)
    ]
    with dspy.context(lm=lm):
        evaluate: Any = dspy.Evaluate(devset=valset, metric=exact, num_threads=1)
        before, after = ([float(row[2]) for row in evaluate(one).results] for one in (student, best))
    assert (100 * sum(before) / 10, 100 * sum(after) / 10) == (full[0], best.score)
    never = [place for place, example in enumerate(valset) if example["question"] not in solved]
    check_changes(page, before, after, never)
    proposed = best.signature.instructions
    assert page.figures["Changed in the prompt"][0] == "Instructions and demos"
    assert proposed in page.texts["prompt"]
    check_cost(page, **made)


def test_gepa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores, changes, parents and metric calls are those of `detailed_results`; cost: of the models' histories."""
    task, reflection = gepa_task.task_lm(), gepa_task.reflection_lm()
    with reported(tmp_path, monkeypatch) as opened, dspy.context(lm=task):
        optimizer: Any = dspy.GEPA(
            metric=cast("Any", gepa_task.graded), reflection_lm=reflection, reflection_minibatch_size=2,
            max_metric_calls=46, num_threads=1, track_stats=True, seed=5,
        )  # fmt: skip
        best = optimizer.compile(gepa_task.Pair(), trainset=gepa_task.TRAINSET, valset=gepa_task.VALSET)
    page, result = opened.found, best.detailed_results
    scores: list[float] = result.val_aggregate_scores
    assert page.headline.startswith(f"GEPA on Pair: from {scores[0]:.3f} to {scores[result.best_idx]:.3f}, trial ")
    first, *others = result.parents[result.best_idx]
    made = f"merge of {first} and {others[0]}" if others else f"of candidate {first} changed"
    assert re.search(rf" won \(candidate {result.best_idx}, .*{made}\)$", page.headline)
    candidates = page.tables["Table of candidates"]
    assert [(row["candidate"].removesuffix(" ★"), row["score"]) for row in candidates] == [
        (str(number), f"{score:.3f}") for number, score in enumerate(scores)
    ]
    assert [row["parents"] for row in candidates] == [
        ", ".join(str(parent) for parent in parents if parent is not None) or "-" for parents in result.parents
    ]
    by_candidate = [[found[number] for number in sorted(found)] for found in result.val_subscores]
    highest = [max(found[place] for found in by_candidate) for place in range(len(gepa_task.VALSET))]
    assert [row["best at"] for row in candidates] == [
        f"{count} example{'s' * (count != 1)}"
        for count in (sum(score >= highest[place] for place, score in enumerate(found)) for found in by_candidate)
    ]
    never = [place for place, score in enumerate(highest) if not score]
    check_changes(page, by_candidate[0], by_candidate[result.best_idx], never)
    for name, predictor in best.named_predictors():
        assert predictor.signature.instructions in page.texts["prompt"]
        assert name in page.figures["Changed in the prompt"][1]
    histories: dict[str, list[Any]] = {"task": cast("Any", task).history, "reflection": cast("Any", reflection).history}
    check_cost(page, **{role: len(history) for role, history in histories.items()})
