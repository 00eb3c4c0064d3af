"""Cache of the paths of a program's modules (`self`, `generate.predict`), refreshed when a module is unknown."""

from __future__ import annotations

import weakref
from typing import Any, Final

from otel_dspy.serialization.program_modules import named_modules

_of_programs: Final[dict[int, ModulePaths]] = {}
"""By `id` of the program, during its lifetime. Not by value: programs may be unhashable or equal to one another."""


class ModulePaths:
    """Paths of the modules of one program."""

    def __init__(self, program: Any) -> None:
        self._program = weakref.ref(program)
        self.program_name = type(program).__name__
        self._known: dict[int, tuple[weakref.ref[Any], str]] = {}
        self._misses = 0
        self._walk(program)

    def path(self, module: Any) -> str | None:
        """Return the module's path; None if it is not part of the program.

        A miss reads the program again, which may have a new module. Modules that a program creates for each call are
        never found, so the program is read only at the 1st, 2nd, 4th, 8th … consecutive miss.
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
    """Return the cached paths of a program's modules."""
    key = id(program)
    known = _of_programs.get(key)
    if known is None:
        known = _of_programs[key] = ModulePaths(program)
        weakref.finalize(program, _of_programs.pop, key, None).atexit = False
    return known
