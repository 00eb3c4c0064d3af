"""The paths of a program's modules (`self`, `generate.predict`): worked out once, and again for an unknown module."""

from __future__ import annotations

import weakref
from typing import Any, Final

from otel_dspy.serialization.program_modules import named_modules

_of_programs: Final[dict[int, ModulePaths]] = {}
"""By the programs' identity, as long as they live: programs may be equal to one another, or not be hashable."""


class ModulePaths:
    """The paths of one program's modules."""

    def __init__(self, program: Any) -> None:
        self._program = weakref.ref(program)
        self.program_name = type(program).__name__
        self._known: dict[int, tuple[weakref.ref[Any], str]] = {}
        self._misses = 0
        self._walk(program)

    def path(self, module: Any) -> str | None:
        """The module's path; None if it is no part of the program.

        A program may have got another module since. One that a program makes for each call is never found: it is
        looked for ever more seldom.
        """
        known = self._known.get(id(module))
        if known is not None and known[0]() is module:
            return known[1]
        self._misses += 1
        program = self._program() if self._misses & (self._misses - 1) == 0 else None
        if program is None:
            return None
        self._walk(program)
        known = self._known.get(id(module))
        if known is None:
            return None
        self._misses = 0
        return known[1]

    def _walk(self, program: Any) -> None:
        self._known = {
            id(module): (weakref.ref(module), name.removeprefix("self.")) for name, module in named_modules(program)
        }


def module_paths(program: Any) -> ModulePaths:
    """The paths of a program's modules, the same object for each call of it."""
    key = id(program)
    known = _of_programs.get(key)
    if known is None:
        known = _of_programs[key] = ModulePaths(program)
        weakref.finalize(program, _of_programs.pop, key, None).atexit = False
    return known
