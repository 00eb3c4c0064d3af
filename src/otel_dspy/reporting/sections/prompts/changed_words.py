"""The words that the winner's prompt has and the start's has not, in at most three lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.sections.prompts.prompt_diff import Piece, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_dspy.reporting.sections.prompts.prompt_diff import PredictorDiff

_LINE: Final = 130
"""Characters of a line of the page."""
_LINES: Final = 3
_CONTEXT: Final = 8
"""Words and spaces that are kept at each side of a change."""
_REWRITTEN: Final = 0.5
"""Least part of two texts that they have in common, if their differences are to be read word by word."""
_GAP: Final = " … "


@dataclass(frozen=True)
class Excerpt:
    """The changes of one predictor."""

    name: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class ChangedWords:
    """The changes of the first predictors that have any."""

    excerpts: tuple[Excerpt, ...]
    left_out: int
    """Number of further predictors with changes."""


def changed_words(diffs: Sequence[PredictorDiff]) -> ChangedWords | None:
    """Return an excerpt of changed instructions, else the first demos; None without a change.

    Args:
        diffs: the changes from the start to the winner, by predictor.
    """
    changed = [diff for diff in diffs if diff.changed]
    if changed:
        length = _LINE if len(changed) > 1 else _LINE * _LINES
        found = [Excerpt(diff.name, _shortened(diff.pieces, length - len(diff.name))) for diff in changed[:_LINES]]
        return ChangedWords(tuple(found), len(changed) - len(found))
    with_demos = [diff for diff in diffs if diff.demos_changed and diff.demos]
    if not with_demos:
        return None
    length = _LINE if len(with_demos) > 1 else _LINE * _LINES
    found = [
        Excerpt(f"{diff.name}, demo 1 of {diff.demos_after}", (Piece("added", _cut(diff.demos[0], length)),))
        for diff in with_demos[:_LINES]
    ]
    return ChangedWords(tuple(found), len(with_demos) - len(found))


def _shortened(pieces: Sequence[Piece], length: int) -> tuple[Piece, ...]:
    if _common(pieces) < _REWRITTEN:
        pieces = _whole(pieces, length)
    else:
        pieces = [_near(piece, first=not place, last=place == len(pieces) - 1) for place, piece in enumerate(pieces)]
    return tuple(_within(pieces, length))


def _common(pieces: Iterable[Piece]) -> float:
    """Return the part of both texts, without spaces, that is in both: 0 to 1."""
    sizes = {"same": 0, "removed": 0, "added": 0}
    for piece in pieces:
        sizes[piece.kind] += len("".join(piece.text.split()))
    both = 2 * sizes["same"]
    return both / max(1, both + sizes["removed"] + sizes["added"])


def _whole(pieces: Sequence[Piece], length: int) -> list[Piece]:
    """Return the old text, then the new one: of other words, little is left to compare."""
    old = "".join(piece.text for piece in pieces if piece.kind != "added")
    new = "".join(piece.text for piece in pieces if piece.kind != "removed")
    shown = _cut(_line(old).strip(), length // 3)
    return [piece for piece in (Piece("removed", shown), Piece("same", " "), Piece("added", _line(new))) if piece.text]


def _near(piece: Piece, *, first: bool, last: bool) -> Piece:
    """Return a piece on one line; of unchanged text only the words next to a change."""
    text = _line(piece.text)
    parts = words(text)
    if piece.kind != "same" or len(parts) <= _CONTEXT * (2 - first - last) + 1:
        return Piece(piece.kind, text)
    before = "" if first else "".join(parts[:_CONTEXT])
    after = "" if last else "".join(parts[-_CONTEXT:])
    kept = f"{before.rstrip()}{_GAP}{after.lstrip()}"
    return Piece("same", kept.lstrip() if first else kept)


def _within(pieces: Iterable[Piece], length: int) -> Iterable[Piece]:
    left = length
    for piece in pieces:
        if left <= 0:
            return
        yield Piece(piece.kind, _cut(piece.text, left))
        left -= len(piece.text)


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: max(1, length) - 1].rstrip()}…"
