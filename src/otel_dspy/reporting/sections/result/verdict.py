"""Verdict: which trial won, whether the gain is more than chance, what it cost, what to be careful about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.formatting.trial_values import chosen_text, error_text, score_value_text
from otel_dspy.reporting.number_text import paired_test_text, score_scale
from otel_dspy.reporting.sections.answers_outside_labels import answers_outside_labels
from otel_dspy.reporting.sections.hard_cases import hard_cases
from otel_dspy.reporting.sections.predictions import dominances
from otel_dspy.reporting.sections.prompts.prompt_change import prompt_change
from otel_dspy.reporting.sections.prompts.unusable_instructions import unusable_instructions
from otel_dspy.reporting.sections.result.headline import cost, headline
from otel_dspy.reporting.sections.result.missing_trials import missing_trials
from otel_dspy.reporting.sections.result.stopped_text import after_stop, is_stopped
from otel_dspy.reporting.sections.result.winner_against_initial import start_and_winner
from otel_dspy.reporting.statistics.intervals import mean_interval
from otel_dspy.reporting.trials.trial_line import choice_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.reporting.compile_result import Compile, Trial
    from otel_dspy.reporting.sections.prompts.prompt_change import PromptChange
    from otel_dspy.reporting.sections.result.winner_against_initial import Comparison
    from otel_dspy.reporting.statistics.intervals import Interval

_SHORT: Final = 40
"""Longest value that a sentence quotes."""
_START_IS_BEST: Final = {
    "RUNNING": "No trial is better than the start so far.",
    "KILLED": "No trial was better than the start.",
    "FAILED": "No trial was better than the start.",
}
"""Sentence if no trial has a higher score than the initial program, by the status of the run."""


@dataclass(frozen=True)
class Standing:
    """A trial's score with its uncertainty."""

    trial: int
    choice: str
    score: float
    n: int
    """Number of examples; 0 if their results are not recorded."""
    interval: Interval | None
    """95 % interval of the mean of the metric's values, in the unit of `score`; None for fewer than two examples."""


@dataclass(frozen=True)
class Verdict:
    """The answer to "which trial won, is it real, what did it cost"."""

    headline: str
    evidence: str
    needed: str | None
    """How many examples would separate start and winner; None if they are separate, or if that is unknown."""
    cost: str
    warnings: tuple[str, ...]
    start: Standing | None
    winner: Standing | None
    comparison: Comparison | None
    chance: str | None
    """`more than chance`, `could be chance` or `worse than the start`; None without a test."""
    prompt: PromptChange | None
    changes: str
    """What changed in the winner's prompt, and which examples no trial solved; empty if neither is recorded."""


def verdict(found: Compile) -> Verdict:
    """Return the verdict on an optimization."""
    comparison, prompt, hard = start_and_winner(found), prompt_change(found), hard_cases(found)
    return Verdict(
        headline=headline(found),
        evidence=_evidence(found, comparison),
        needed=_needed(comparison),
        cost=cost(found),
        warnings=tuple(_warnings(found, comparison)),
        start=_standing(found.start),
        winner=_standing(found.winner),
        comparison=comparison,
        chance=_chance(comparison),
        prompt=prompt,
        changes=" ".join(one.text for one in (prompt, hard) if one is not None),
    )


def _standing(trial: Trial | None) -> Standing | None:
    if trial is None or trial.row.score is None:
        return None
    scores = list(trial.scores.values())
    interval = mean_interval(scores)
    if interval is not None:
        interval = interval.times(score_scale(trial.row.unit))
    return Standing(trial.row.index, choice_text(trial.row), trial.row.score, len(scores), interval)


def _evidence(found: Compile, comparison: Comparison | None) -> str:
    start, winner = found.start, found.winner
    if winner is not None and start is not None and winner.row.index == start.row.index:
        return _START_IS_BEST.get(found.status, "The optimizer returned the initial program.")
    if all(trial.row.score is None for trial in found.trials):
        return _without_scores(found)
    if winner is None:
        return _without_winner(found)
    if start is None or comparison is None:
        return _without_comparison(found, winner)
    test = comparison.test
    changes = (
        f"Against the start, {counted(test.gained, 'example')} improved and {test.lost} got worse, "
        f"of {test.n} that both were scored on"
    )
    return f"{changes}: {_chance(comparison)} ({paired_test_text(test)})."


def _without_scores(found: Compile) -> str:
    # A unit is recorded with a score alone.
    if any(trial.row.unit is not None for trial in found.trials):
        return "No trial has a score that is a finite number: correct the metric. There is nothing to compare."
    return "The optimizer scored no candidates."


def _without_winner(found: Compile) -> str:
    if all(trial.row.failure is not None for trial in found.trials):
        return "No trial won: every example failed."
    return "No trial won." if found.best_score is None else "The winner is none of the trials: no test of chance."


def _without_comparison(found: Compile, winner: Trial) -> str:
    if winner.has_no_finite_score:
        returned = found.status == "FINISHED" and winner.row.kind == "baseline"
        text = "The winner's score is not a finite number: no test of chance."
        return f"The optimizer returned the initial program. {text}" if returned else text
    if found.start is not None:
        return "Results by example are not recorded for both the start and the winner: no test of chance."
    if any(trial.row.kind == "baseline" and trial.has_no_finite_score for trial in found.trials):
        return "The score of the initial program is not a finite number: there is nothing to compare the winner with."
    return "The initial program was not scored: there is nothing to compare the winner with."


def _needed(comparison: Comparison | None) -> str | None:
    if comparison is None or comparison.test.needed is None:
        return None
    return f"With these rates, about {comparison.test.needed} examples in all would separate the two."


def _chance(comparison: Comparison | None) -> str | None:
    if comparison is None:
        return None
    test = comparison.test
    if not test.significant or not test.difference:
        return "could be chance"
    return "more than chance" if test.difference > 0 else "worse than the start"


def _warnings(found: Compile, comparison: Comparison | None) -> Iterator[str]:
    start, winner = found.start, found.winner
    yield from after_stop(found)
    yield from missing_trials(found)
    every = [result for trial in found.trials for result in trial.results]
    errors = [result.error for result in every if result.error is not None]
    if errors:
        counts = f"{len(errors)} of {len(every)} example runs failed and count as score 0."
        yield f"{counts} The first error: {error_text(errors[0])}"
    broken = [trial for trial in found.trials if trial.row.state == "fail" and not is_stopped(trial)]
    if broken:
        reason = f", the first with {error_text(broken[0].error)}" if broken[0].error else ""
        yield f"{counted(len(broken), 'trial')} failed{reason}."
    if winner is None:
        return
    if winner.row.scope != "full":
        yield "The winner was scored on a minibatch only: its score does not compare with full ones."
    if start is not None and start.row.index != winner.row.index and comparison is not None:
        if comparison.test.difference <= 0:
            yield "On the examples that both were scored on, the winner is not better than the start."
        elif not comparison.test.significant:
            yield "The gain could be chance: do not rely on it without more examples."
    yield from _minibatch(found, winner)
    yield from _instructions(found)
    yield from _off_label(found)
    for found_one in dominances(found, winner):
        yield (
            f"The winner answers {_quoted(found_one.value)} for {found_one.field} in {found_one.predicted} of "
            f"{found_one.n} examples; the labels have it {counted(found_one.labeled, 'time')}."
        )


def _minibatch(found: Compile, winner: Trial) -> Iterator[str]:
    score = winner.row.score
    minibatches = [
        trial.row for trial in found.trials if trial.row.scope == "minibatch" and trial.row.score is not None
    ]
    highest = max(minibatches, key=lambda row: row.score or 0.0, default=None)
    if highest is None or score is None or (highest.score or 0.0) <= score:
        return
    choice = chosen_text(highest.parameters)
    same = [trial for trial in (winner, *found.trials) if trial.is_full and chosen_text(trial.row.parameters) == choice]
    part = score_value_text(highest.score, highest.unit)
    if choice is None or not same:
        yield (
            f"Trial {highest.index} has a higher score, {part}, but on a minibatch: on other examples, so the two do "
            "not compare."
        )
        return
    full, whole = same[0].row, f"on the whole {found.scored_set}"
    full_score = score_value_text(full.score, full.unit)
    if same[0] is winner:
        yield (
            f"Trial {highest.index} is the winner's choice too, with {part} on a minibatch: {whole} it has "
            f"{full_score}."
        )
    else:
        yield (
            f"Trial {highest.index} has a higher score, {part}, but on a minibatch: {whole} its choice has "
            f"{full_score} (trial {full.index})."
        )


def _instructions(found: Compile) -> Iterator[str]:
    for one in unusable_instructions(found):
        if one.text:
            yield (
                f"The winner's instruction of predictor {one.predictor} is nothing but {_quoted(one.text)}, a marker "
                "of DSPy's chat template: the model that proposes instructions repeated it."
            )
        else:
            yield f"The winner's instruction of predictor {one.predictor} is empty."


def _off_label(found: Compile) -> Iterator[str]:
    for one in answers_outside_labels(found):
        if one.winner is not None and one.winner.answers:
            start = (
                f" (start: {one.start.answers} of {one.start.n})"
                if one.start and one.start.trial != one.winner.trial
                else ""
            )
            yield (
                f"In {one.winner.answers} of {one.winner.n} examples the winner returns a value of {one.field} that is "
                f"none of its {one.labels} labels{start}."
            )


def _quoted(value: str) -> str:
    return f'"{value if len(value) <= _SHORT else value[: _SHORT - 1] + "…"}"'
