"""Hard cases: examples that no trial solved, with what the trials answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.reporting.sections.example_text import answer_text, example_text, fields_text

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile, ExampleResult, Trial

MAX_CASES: Final = 10
_LISTED: Final = 5
"""Most examples that a sentence lists."""
_TEXT: Final = 400
_ANSWER: Final = 120
_MAX_ANSWERS: Final = 5


@dataclass(frozen=True)
class Answer:
    """An answer that some trials gave."""

    text: str
    trials: int


@dataclass(frozen=True)
class HardCase:
    """An example with score 0 in each trial that scored it."""

    example: str
    text: str
    label: str
    trials: int
    answers: tuple[Answer, ...]
    """Values of the fields that have labels, else of all; most frequent first."""
    feedback: str | None
    """The first feedback of the metric."""


@dataclass(frozen=True)
class HardCases:
    """The first ten of them."""

    cases: tuple[HardCase, ...]
    total: int
    scored: int
    """Number of examples that a trial scored."""
    all_failed: bool
    """Whether none of them has an answer in any trial: each of their runs failed."""

    @property
    def text(self) -> str:
        """One sentence: how many there are, and which."""
        if not self.total:
            return "Each scored example was solved in some trial."
        listed = ", ".join(case.example for case in self.cases[:_LISTED])
        more = ", …" if self.total > _LISTED else ""
        return f"Never solved: {self.total} of {counted(self.scored, 'scored example')} ({listed}{more})."


def hard_cases(found: Compile) -> HardCases | None:
    """Return the examples that no trial solved, those that most trials scored first; None without results.

    An example is solved by a score above 0. None also for a metric that gives no such score and negative ones, such as
    a loss, whose best value may be 0.
    """
    scores = [result.score for trial in found.trials for result in trial.results]
    if not scores or (max(scores) <= 0 and min(scores) < 0):
        return None
    by_example: dict[str, list[tuple[Trial, ExampleResult]]] = {example.id: [] for example in found.examples}
    for trial in found.trials:
        for result in trial.results:
            by_example[result.example].append((trial, result))
    never = [
        example
        for example in found.examples
        if by_example[example.id] and all(result.score <= 0 for _, result in by_example[example.id])
    ]
    never.sort(key=lambda example: (-len(by_example[example.id]), int(example.id)))
    cases: list[HardCase] = []
    for example in never[:MAX_CASES]:
        results = by_example[example.id]
        answers = Counter(answer_text(trial, result, _ANSWER, example.labels) for trial, result in results)
        cases.append(
            HardCase(
                example.id,
                example_text(example, _TEXT),
                fields_text(example.labels, _ANSWER),
                len(results),
                tuple(Answer(text, count) for text, count in answers.most_common(_MAX_ANSWERS)),
                next((result.feedback for _, result in results if result.feedback), None),
            )
        )
    all_failed = bool(never) and all(result.error for example in never for _, result in by_example[example.id])
    return HardCases(tuple(cases), len(never), sum(bool(results) for results in by_example.values()), all_failed)
