"""Bounded registry of known secret values and their spellings in texts."""

from __future__ import annotations

import itertools
import json
import threading
from bisect import insort
from typing import Final, Literal

from otel_dspy.serialization.plain_data import well_formed

Origin = Literal[0, 1, 2]
"""Source of a value; a higher one is retained longer. Values are evicted only by values of the same origin."""
CALL: Final = 0
"""A header or a tool's argument, which can differ in each call."""
SETTING: Final = 1
ENVIRONMENT: Final = 2
"""Never evicted."""
# Limit for each origin: every text is searched for every value.
_MOST_KNOWN: Final = 256
# Values evicted at once, so that not every new value requires a sort.
_MAKE_WAY: Final = 32


class KnownSecrets:
    """Thread-safe cache of secret values; of calls and of settings the 256 most recently used each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _KnownValue] = {}
        self._counts: dict[Origin, int] = {CALL: 0, SETTING: 0, ENVIRONMENT: 0}
        self._uses = itertools.count()
        self.spellings: list[str] = []
        """All spellings, the longest first, so that a prefix of another secret is replaced last. Copied on change."""
        self.changes = 0
        """Version of the spellings."""

    def use(self, value: str, origin: Origin) -> bool:
        """Return whether the value is known with this origin or a higher one, and mark it as used."""
        known = self._known.get(value)
        if known is None or known.origin < origin:
            return False
        known.last_use = next(self._uses)
        return True

    def add(self, value: str, origin: Origin) -> None:
        """Add a value, or raise its origin. The cost depends only on the value's own spellings."""
        with self._lock:
            known = self._known.get(value)
            if known is None:
                known = self._known[value] = _KnownValue(_spellings(value), origin)
                spellings = self.spellings.copy()
                for spelling in known.spellings:
                    insort(spellings, spelling, key=_shortness)
                self.spellings = spellings
            else:
                self._counts[known.origin] -= 1
                known.origin = max(known.origin, origin)
            known.last_use = next(self._uses)
            self._counts[known.origin] += 1
            if known.origin != ENVIRONMENT and self._counts[known.origin] > _MOST_KNOWN:
                self._make_way(known.origin)
            self.changes += 1  # last: a reader that sees the new version must see the new spellings

    def _make_way(self, origin: Origin) -> None:
        values = [(known.last_use, value) for value, known in self._known.items() if known.origin == origin]
        for _, value in sorted(values)[:_MAKE_WAY]:
            del self._known[value]
        self._counts[origin] -= _MAKE_WAY
        remaining = {spelling for known in self._known.values() for spelling in known.spellings}
        self.spellings = sorted(remaining, key=_shortness)


class _KnownValue:
    """A known value.

    Attributes:
        spellings: its spellings in texts.
        origin: its highest origin.
        last_use: sequence number of its last use.
    """

    __slots__ = ("last_use", "origin", "spellings")

    def __init__(self, spellings: set[str], origin: Origin) -> None:
        self.spellings = spellings
        self.origin: Origin = origin
        self.last_use = 0


def _shortness(spelling: str) -> int:
    return -len(spelling)


def _spellings(secret: str) -> set[str]:
    """Return the secret's spellings in text, in JSON, and in JSON inside JSON."""
    spellings = {well_formed(secret)}
    for _ in range(2):
        spellings |= {json.dumps(text, ensure_ascii=escaped)[1:-1] for text in spellings for escaped in (False, True)}
    return spellings
