"""The secret values that have been met, as they stand in texts: a bounded number of them."""

from __future__ import annotations

import itertools
import json
import threading
from bisect import insort
from typing import Final, Literal

from otel_dspy.serialization.plain_data import well_formed

Origin = Literal[0, 1, 2]
"""Where a value was met, the more lasting the greater. Those of one origin make way for each other alone."""
CALL: Final = 0
"""A header or a tool's argument: it may be another one with each call."""
SETTING: Final = 1
ENVIRONMENT: Final = 2
"""Never forgotten."""
# Of one origin: each is looked for in every text.
_MOST_KNOWN: Final = 256
# Those that make way at once, so that not each new value is a reason to go through all of them.
_MAKE_WAY: Final = 32


class KnownSecrets:
    """Values by how they stand in texts; of calls and of settings 256 each, the ones met last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._counts: dict[Origin, int] = {CALL: 0, SETTING: 0, ENVIRONMENT: 0}
        self._meetings = itertools.count()
        self.spellings: list[str] = []
        """The longest first, or a secret that begins with another one would keep its tail. Never changed in place."""
        self.changes = 0
        """How often the spellings have changed."""

    def meet(self, value: str, origin: Origin) -> bool:
        """Whether the value is known already, and lasts as long as it has to."""
        known = self._known.get(value)
        if known is None or known.origin < origin:
            return False
        known.met = next(self._meetings)
        return True

    def add(self, value: str, origin: Origin) -> None:
        """Remember a value, or that it has a more lasting origin too. Costs no more than the value's own spellings."""
        with self._lock:
            known = self._known.get(value)
            if known is None:
                known = self._known[value] = _Known(_spellings(value), origin)
                spellings = self.spellings.copy()
                for spelling in known.spellings:
                    insort(spellings, spelling, key=_shortness)
                self.spellings = spellings
            else:
                self._counts[known.origin] -= 1
                known.origin = max(known.origin, origin)
            known.met = next(self._meetings)
            self._counts[known.origin] += 1
            if known.origin != ENVIRONMENT and self._counts[known.origin] > _MOST_KNOWN:
                self._make_way(known.origin)
            self.changes += 1  # the last of all: whoever sees it must see the rest

    def _make_way(self, origin: Origin) -> None:
        values = [(known.met, value) for value, known in self._known.items() if known.origin == origin]
        for _, value in sorted(values)[:_MAKE_WAY]:
            del self._known[value]
        self._counts[origin] -= _MAKE_WAY
        remaining = {spelling for known in self._known.values() for spelling in known.spellings}
        self.spellings = sorted(remaining, key=_shortness)


class _Known:
    """A value that is known.

    Attributes:
        spellings: how it stands in texts.
        origin: the most lasting one.
        met: when it was met last, by a count of all such meetings.
    """

    __slots__ = ("met", "origin", "spellings")

    def __init__(self, spellings: set[str], origin: Origin) -> None:
        self.spellings = spellings
        self.origin: Origin = origin
        self.met = 0


def _shortness(spelling: str) -> int:
    return -len(spelling)


def _spellings(secret: str) -> set[str]:
    """The secret as it stands in text, in JSON text and in JSON text inside JSON text."""
    spellings = {well_formed(secret)}
    for _ in range(2):
        spellings |= {json.dumps(text, ensure_ascii=escaped)[1:-1] for text in spellings for escaped in (False, True)}
    return spellings
