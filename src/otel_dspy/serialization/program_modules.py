"""The modules of a program, by the names that DSPy gives them.

DSPy's own `named_sub_modules` goes through every element of every list and dictionary that a program holds and makes a
name for each: with 300,000 texts in a list it takes half a second. This is the same walk, which names modules alone and
leaves out what is too large to be a list of modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LARGEST: Final = 10_000
"""Elements of a list or dictionary in which modules are looked for."""


def named_modules(program: object) -> Iterator[tuple[str, Any]]:
    """A program's modules, itself first, with the names that `Module.named_sub_modules` gives them."""
    from dspy import Module  # noqa: PLC0415 - dspy is imported when it is instrumented

    # `BaseModule`, wherever a version of DSPy has it.
    base = next(cls for cls in Module.__mro__ if "named_sub_modules" in vars(cls))
    waiting: list[tuple[str, Any]] = [("self", program)]
    seen = {id(program)}
    kinds: Any = (base, list, tuple, dict)
    for name, item in waiting:  # which grows meanwhile
        is_module = isinstance(item, base)
        if is_module:
            yield name, item
        for key, part in _parts(vars(item) if is_module else item):
            if isinstance(part, kinds) and id(part) not in seen:
                seen.add(id(part))
                waiting.append((f"{name}.{key}" if is_module else f"{name}[{key}]", part))


def _parts(container: Any) -> Iterable[tuple[object, Any]]:  # noqa: ANN401 - a list, a dictionary or what is like one
    try:
        if len(container) > _LARGEST:
            return ()
        pairs: Any = container.items() if hasattr(container, "items") else enumerate(container)
        return list(pairs)
    except Exception:  # noqa: BLE001 - a class derived from list or dict may raise anything
        return ()
