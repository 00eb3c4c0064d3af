"""Program state cache by program id: a compile sends each state once, and several trials may need it."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from otel_dspy.mlflow.mapping.artifacts.program_changes import changes
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.mapping.operations import LogChanges

Waiting = TypeVar("Waiting")

MAX_OPEN: Final = 1024
"""Maximum number of scopes that have not ended: a bridge never receives the ends of programs that were killed."""
MAX_ENDED: Final = 64
"""Maximum number of remembered ended scopes: their data may arrive late or twice."""
MAX_ENDED_BYTES: Final = 16 * 1024 * 1024
"""Maximum size of the compressed states of ended scopes; the scope that ended last is always kept."""
_INITIAL: Final = ""
"""Placeholder for the id of a scope's initial program until it is known."""


class ProgramStates(Generic[Waiting]):
    """Compressed states, and the operations that wait for a missing one (trials may run concurrently)."""

    def __init__(self, dropped: Callable[[Waiting], object]) -> None:
        """Create an empty cache.

        Args:
            dropped: called with each operation that still waits when its scope is dropped.
        """
        self._dropped = dropped
        self._open: BoundedDict[str, None] = BoundedDict(MAX_OPEN, lambda scope, _: self._drop(scope))
        self._states: dict[str, dict[str, bytes]] = {}
        self._waiting: dict[str, dict[str, list[Waiting]]] = {}
        self._initial: dict[str, str] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def keep(self, scope: str, program_id: str, state: str, *, initial: bool = False) -> list[Waiting]:
        """Store a state of the scope's initial or another program; return the operations that waited for it.

        Args:
            scope: id of the compile.
            program_id: id of the program.
            state: its state as JSON text.
            initial: whether it is the program that the compile started from.
        """
        self._begin(scope)
        self._states.setdefault(scope, {})[program_id] = zlib.compress(state.encode(), 1)
        waiting = self._waiting.get(scope, {})
        found = waiting.pop(program_id, [])
        if initial:
            self._initial[scope] = program_id
            found += waiting.pop(_INITIAL, [])
        return found

    def initial_id(self, scope: str) -> str:
        """Return the id of the scope's initial program, or a placeholder to wait under until it is known."""
        return self._initial.get(scope, _INITIAL)

    def state(self, scope: str, program_id: str) -> str | None:
        """Return the state; None if it has not been received."""
        packed = self._states.get(scope, {}).get(program_id)
        return zlib.decompress(packed).decode() if packed is not None else None

    def wait(self, scope: str, program_id: str, waiting: Waiting) -> None:
        """Hold `waiting` until the state is received.

        Args:
            scope: id of the compile.
            program_id: id of the program whose state is missing.
            waiting: the operation that needs the state.
        """
        self._begin(scope)
        self._waiting.setdefault(scope, {}).setdefault(program_id, []).append(waiting)

    def _begin(self, scope: str) -> None:
        if scope not in self._ended:
            self._open[scope] = None

    def forget(self, scope: str) -> None:
        """End a scope and drop those that ended long ago."""
        self._open.pop(scope, None)
        self._ended[scope] = None
        self._ended.move_to_end(scope)
        size = sum(len(packed) for ended in self._ended for packed in self._states.get(ended, {}).values())
        while len(self._ended) > MAX_ENDED or (size > MAX_ENDED_BYTES and len(self._ended) > 1):
            oldest, _ = self._ended.popitem(last=False)
            size -= sum(len(packed) for packed in self._states.get(oldest, {}).values())
            self._drop(oldest)

    def _drop(self, scope: str) -> None:
        self._states.pop(scope, None)
        self._initial.pop(scope, None)
        for found in self._waiting.pop(scope, {}).values():
            for waiting in found:
                self._dropped(waiting)


def changes_text(states: ProgramStates[Any], operation: LogChanges) -> str | None:
    """Return the text if all of its states have been received; else hold the operation and return None."""
    scope = operation.scope
    found: list[tuple[str, str]] = []
    for program_id in (operation.program_id, states.initial_id(scope), *operation.parent_ids):
        state = states.state(scope, program_id)
        if state is None:
            states.wait(scope, program_id, operation)
            return None
        found.append((program_id, state))
    program, initial, *parents = found
    return changes(operation.title, program, initial, parents)
