"""Changes of the winner's prompt: a word diff of instructions, and the demos."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from otel_dspy.reporting.sections.example_text import fields_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.compile_result import Compile, Predictor

_WORDS: Final = re.compile(r"\s+|\w+|[^\w\s]")
MAX_WORDS: Final = 4_000
"""Longer texts are shown whole: difflib's time grows with their square."""
_DEMO: Final = 300
_MAX_DEMOS: Final = 20
Kind = Literal["same", "added", "removed"]


@dataclass(frozen=True)
class Piece:
    """A part of the text."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class PredictorDiff:
    """The changes of one predictor."""

    name: str
    pieces: tuple[Piece, ...]
    changed: bool
    """Whether the instructions differ."""
    demos_before: int
    demos_after: int
    demos: tuple[str, ...]
    """The winner's demos, one line each."""
    demos_changed: bool


def prompt_diff(found: Compile) -> tuple[PredictorDiff, ...]:
    """Compare the initial program with the winner's, predictor by predictor; empty if they are not recorded."""
    return program_diff(found.initial_program, found.best_program)


def program_diff(before: Sequence[Predictor], after: Sequence[Predictor]) -> tuple[PredictorDiff, ...]:
    """Compare two programs, predictor by predictor; empty if either is not recorded.

    Args:
        before: predictors of the old program.
        after: predictors of the new one.
    """
    old = {predictor.name: predictor for predictor in before}
    new = {predictor.name: predictor for predictor in after}
    if not old or not new:
        return ()
    return tuple(_predictor(name, old.get(name), new.get(name)) for name in dict.fromkeys([*old, *new]))


def _predictor(name: str, before: Predictor | None, after: Predictor | None) -> PredictorDiff:
    old, new = before.instructions if before else "", after.instructions if after else ""
    demos = after.demos if after else ()
    return PredictorDiff(
        name,
        word_diff(old, new),
        old != new,
        len(before.demos) if before else 0,
        len(demos),
        tuple(
            fields_text({key: value for key, value in demo.items() if key != "augmented"}, _DEMO)
            for demo in demos[:_MAX_DEMOS]
        ),
        list(demos) != list(before.demos if before else ()),
    )


def words(text: str) -> list[str]:
    """Split a text into words, spaces and other characters, which joined again give the text."""
    return _WORDS.findall(text)


def word_diff(before: str, after: str) -> tuple[Piece, ...]:
    """Return the text of `after` with what was removed from `before` and what was added, by words.

    Args:
        before: the old text.
        after: the new text.
    """
    if before == after:
        return (Piece("same", after),) if after else ()
    old, new = words(before), words(after)
    if max(len(old), len(new)) > MAX_WORDS:
        return tuple(piece for piece in (Piece("removed", before), Piece("added", after)) if piece.text)
    pieces: list[Piece] = []
    for tag, first, last, start, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(Piece("same", "".join(new[start:end])))
            continue
        if last > first:
            pieces.append(Piece("removed", "".join(old[first:last])))
        if end > start:
            pieces.append(Piece("added", "".join(new[start:end])))
    return tuple(pieces)
