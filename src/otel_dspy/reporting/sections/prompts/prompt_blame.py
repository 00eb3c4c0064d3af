"""Origin of the words of the winner's instructions: the trial that introduced each, over the lineage."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.sections.prompts.prompt_diff import MAX_WORDS, words
from otel_dspy.reporting.trials.trial_line import choice_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_dspy.reporting.compile_result import Compile, Predictor, Trial

_MAX_COMPARED: Final = 60_000
"""Words of all ancestors together; difflib's time grows with the square of each text."""
_WORD: Final = re.compile(r"\w")
_FUNCTION_WORDS: Final = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "if", "in", "into", "is", "it", "its", "of", "on",
    "or", "that", "the", "their", "then", "there", "these", "this", "to", "was", "were", "which", "will", "with",
})  # fmt: skip


@dataclass(frozen=True)
class Passage:
    """A part of the instruction that one trial introduced."""

    text: str
    trial: int | None
    """None: the initial program has it."""


@dataclass(frozen=True)
class Origin:
    """A trial that introduced a part."""

    trial: int
    choice: str
    score: float | None
    scope: str | None
    """`full` or `minibatch`: what the score is over."""
    gain: float | None
    """Score minus the best of its parents' scores, or minus the start's; None if one is not over the whole validation
    set."""
    words: int


@dataclass(frozen=True)
class PredictorBlame:
    """The instruction of one predictor of the winner."""

    name: str
    passages: tuple[Passage, ...]
    origins: tuple[Origin, ...]
    """In the order of the trials."""


def prompt_blame(found: Compile) -> tuple[PredictorBlame, ...]:
    """Return the origins for each predictor whose instruction changed; empty if programs are not recorded."""
    winner = found.winner
    if winner is None or not winner.program or not found.initial_program:
        return ()
    family = _family(found, winner)
    blames = (_predictor(found, predictor.name, family) for predictor in winner.program)
    return tuple(blame for blame in blames if blame is not None)


def _family(found: Compile, winner: Trial) -> list[tuple[Trial, list[Trial]]]:
    """Return the winner and its ancestors by index, each with its parents."""
    first: dict[str, Trial] = {}
    for trial in found.trials:
        if trial.program_id is not None and trial.program:
            first.setdefault(trial.program_id, trial)
    family: dict[int, tuple[Trial, list[Trial]]] = {}
    pending = [winner]
    while pending:
        trial = pending.pop()
        if trial.row.index in family:
            continue
        known = [first[parent] for parent in trial.parent_ids if parent in first]
        parents = [parent for parent in known if parent.row.index < trial.row.index]
        family[trial.row.index] = trial, parents
        pending += parents
    return [family[index] for index in sorted(family)]


def _predictor(found: Compile, name: str, family: Sequence[tuple[Trial, list[Trial]]]) -> PredictorBlame | None:
    initial = words(_instructions(found.initial_program, name))
    texts = {trial.row.index: words(_instructions(trial.program, name)) for trial, _ in family}
    sizes = [len(text) for text in texts.values()]
    if max(sizes) > MAX_WORDS or sum(sizes) > _MAX_COMPARED:
        return None
    origins: dict[int, list[int | None]] = {}
    parents_of: dict[int, list[Trial]] = {}
    for trial, parents in family:
        text = texts[trial.row.index]
        own = trial.row.index if parents else _introduced(found, trial, name)
        parents_of[own] = parents
        sources = [(texts[parent.row.index], origins[parent.row.index]) for parent in parents]
        origins[trial.row.index] = _origins(text, own, sources or [(initial, [None] * len(initial))])
    text, last = texts[family[-1][0].row.index], origins[family[-1][0].row.index]
    passages = _passages(text, last)
    trials = sorted({passage.trial for passage in passages if passage.trial is not None})
    if not trials:
        return None
    return PredictorBlame(
        name, passages, tuple(_origin(found, index, parents_of.get(index, []), passages) for index in trials)
    )


def _instructions(program: Iterable[Predictor], name: str) -> str:
    return next((predictor.instructions for predictor in program if predictor.name == name), "")


def _introduced(found: Compile, trial: Trial, name: str) -> int:
    """Return the first trial with the same instruction: where there are no parents, the trials choose from texts."""
    text = _instructions(trial.program, name)
    return next(one.row.index for one in found.trials if _instructions(one.program, name) == text)


def _origins(
    text: Sequence[str], own: int, sources: Iterable[tuple[Sequence[str], Sequence[int | None]]]
) -> list[int | None]:
    origins: list[int | None] = [own] * len(text)
    free = [True] * len(text)
    for source, known in sources:
        matcher = difflib.SequenceMatcher(None, source, text, autojunk=False)
        for start, place, size in matcher.get_matching_blocks():
            for offset in range(size):
                if free[place + offset]:
                    free[place + offset] = False
                    origins[place + offset] = known[start + offset]
    return origins


def _passages(text: Sequence[str], origins: Sequence[int | None]) -> tuple[Passage, ...]:
    """Join words of the same origin; spaces, punctuation and function words between two of them are theirs."""
    joined = [
        Passage("".join(word for word, _ in group), origin)
        for origin, group in groupby(zip(text, origins, strict=True), key=lambda one: one[1])
    ]
    for place in range(1, len(joined) - 1):
        before, after = joined[place - 1].trial, joined[place + 1].trial
        if before == after and not _has_content(joined[place].text):
            joined[place] = Passage(joined[place].text, before)
    return tuple(
        Passage("".join(passage.text for passage in group), origin)
        for origin, group in groupby(joined, key=lambda passage: passage.trial)
    )


def _has_content(text: str) -> bool:
    """Return whether a text has a word that is not a function word: any two English texts share these."""
    return any(_WORD.search(word) and word.casefold() not in _FUNCTION_WORDS for word in words(text))


def _origin(found: Compile, index: int, parents: Iterable[Trial], passages: Iterable[Passage]) -> Origin:
    trial = next(one for one in found.trials if one.row.index == index)
    before = list(parents) or [one for one in [found.start] if one is not None]
    scores = [one.row.score for one in before if one.is_full and one.row.score is not None]
    gain = trial.row.score - max(scores) if scores and trial.is_full and trial.row.score is not None else None
    count = sum(
        bool(_WORD.search(word)) for passage in passages if passage.trial == index for word in words(passage.text)
    )
    return Origin(index, choice_text(trial.row), trial.row.score, trial.row.scope, gain, count)
