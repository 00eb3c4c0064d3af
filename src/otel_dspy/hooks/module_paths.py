"""The paths of a program's modules (`self`, `generate.predict`): worked out once, and again when a module is unknown.

DSPy's own `named_sub_modules` goes through every element of every list and dictionary that a program holds and makes a
name for each: with 300,000 texts in a list it takes half a second. This is the same walk, which names modules alone and
leaves out what is too large to be a list of modules.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LARGEST: Final = 10_000
"""Elements of a list or dictionary in which modules are looked for."""
_of_programs: Final[dict[int, ModulePaths]] = {}
"""By the programs' identity, as long as they live: programs may be equal to one another, or not be hashable."""


class ModulePaths:
    """The paths of one program's modules."""

    def __init__(self, program: Any) -> None:
        self._program = weakref.ref(program)
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


def named_modules(program: Any) -> Iterator[tuple[str, Any]]:
    """A program's modules, itself first, with the names that `Module.named_sub_modules` gives them."""
    from dspy.primitives.base_module import BaseModule  # noqa: PLC0415 - dspy is imported when it is instrumented

    waiting: list[tuple[str, Any]] = [("self", program)]
    seen = {id(program)}
    kinds: Any = (BaseModule, list, tuple, dict)
    for name, item in waiting:  # which grows meanwhile
        is_module = isinstance(item, BaseModule)
        if is_module:
            yield name, item
        for key, part in _parts(vars(item) if is_module else item):
            if isinstance(part, kinds) and id(part) not in seen:
                seen.add(id(part))
                waiting.append((f"{name}.{key}" if is_module else f"{name}[{key}]", part))


def _parts(container: Any) -> Iterable[tuple[object, Any]]:
    try:
        if len(container) > _LARGEST:
            return ()
        pairs: Any = container.items() if hasattr(container, "items") else enumerate(container)
        return list(pairs)
    except Exception:
        return ()
