"""Program states by id, kept while a compile runs: a state is sent once, and each of its trials wants it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Waiting = TypeVar("Waiting")


class ProgramStates(Generic[Waiting]):
    """States, compressed, and what waits for one that has not come yet (trials may run side by side)."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, bytes]] = {}
        self._waiting: dict[str, dict[str, list[Waiting]]] = {}

    def keep(self, scope: str, program_id: str, state: str) -> list[Waiting]:
        """Keep a state; returns what has waited for it."""
        self._states.setdefault(scope, {})[program_id] = zlib.compress(state.encode(), 1)
        return self._waiting.get(scope, {}).pop(program_id, [])

    def state(self, scope: str, program_id: str) -> str | None:
        """The state, if it has come."""
        packed = self._states.get(scope, {}).get(program_id)
        return zlib.decompress(packed).decode() if packed is not None else None

    def wait(self, scope: str, program_id: str, waiting: Waiting) -> None:
        """Hand `waiting` out as soon as the state comes."""
        self._waiting.setdefault(scope, {}).setdefault(program_id, []).append(waiting)

    def forget(self, scope: str) -> Iterator[Waiting]:
        """Drop all of a scope; gives what has waited in vain."""
        self._states.pop(scope, None)
        for found in self._waiting.pop(scope, {}).values():
            yield from found
