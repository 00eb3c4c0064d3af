"""Whose tokens are whose, where a language model asks itself or others: each is counted once, where it was used."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

from otel_dspy.hooks.lm.result import CallFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOTHING_KNOWN: Final = CallFacts()


class CallAccount:
    """What one LM call has used, apart from the calls of other models inside of it: those are counted there.

    What is reported while nothing has been counted inside is the call's own. After that it is so unless the calls
    inside have told it already: a router passes on the response of the model that it asked, a mixture may report the
    sum of several.
    """

    __slots__ = ("_inside", "_reports")

    def __init__(self) -> None:
        # Appended to alone, and added up in the end: parts of a call may be made in several threads.
        self._reports: list[CallFacts] = []
        self._inside: list[CallFacts] = []

    def report(self, facts: CallFacts) -> None:
        """Take in what the call, or a part of it, has reported."""
        told_inside = self._inside and facts.is_of(self._inside)
        self._reports.append(facts.without_use() if told_inside else facts)

    def counted_inside(self, other: CallAccount) -> None:
        """Another model's call inside of this one has ended."""
        self._inside.extend(other._reports)
        self._inside.extend(other._inside)

    def total(self) -> CallFacts:
        """All that was reported and is the call's own."""
        reports: Sequence[CallFacts] = self._reports
        if not reports:
            return _NOTHING_KNOWN
        return reports[0] if len(reports) == 1 else reduce(CallFacts.then, reports)
