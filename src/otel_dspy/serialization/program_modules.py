"""Walk over the modules of a program, with DSPy's names for them.

DSPy's own `named_sub_modules` visits and names every element of every list and dictionary in a program: with 300,000
strings in a list it takes half a second. This walk names modules only and skips containers that are too large to be a
list of modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST_CONTAINER: Final = 10_000
"""Maximum number of elements of a list or dictionary that is searched for modules."""


def named_modules(program: object) -> Iterator[tuple[str, Any]]:
    """Yield (name, module) for the program and its modules, with the names of `Module.named_sub_modules`."""
    from dspy import Module  # noqa: PLC0415 - dspy is imported when it is instrumented

    # `BaseModule`, whose import path depends on DSPy's version.
    base = next(cls for cls in Module.__mro__ if "named_sub_modules" in vars(cls))
    kinds: Any = (base, list, tuple, dict)
    # Not the length and the items of another object, which may be those of a database.
    waiting: list[tuple[str, Any]] = [("self", program)] if isinstance(program, kinds) else []
    seen = {id(program)}
    for name, item in waiting:  # grows during the loop
        is_module = isinstance(item, base)
        if is_module:
            yield name, item
        for key, part in _parts(vars(item) if is_module else item):
            if isinstance(part, kinds) and id(part) not in seen:
                seen.add(id(part))
                waiting.append((f"{name}.{key}" if is_module else f"{name}[{key}]", part))


def _parts(container: Any) -> Iterable[tuple[object, Any]]:  # noqa: ANN401 - a list, a dictionary or a subclass
    try:
        if len(container) > LARGEST_CONTAINER:
            return ()
        pairs: Any = container.items() if hasattr(container, "items") else enumerate(container)
        return list(pairs)
    except Exception:  # noqa: BLE001 - a subclass of list or dict may raise anything
        return ()
