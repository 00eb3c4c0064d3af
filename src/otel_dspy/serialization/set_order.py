"""One order for the sets in a program's demos, which DSPy dumps in the order of the process's hash seed.

`Predict.dump_state` turns a pydantic model in a demo into JSON data, in which a set is a list (`serialize_object` of
DSPy 3.4.1). The state, and the id made of it, would differ between processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sized


def with_ordered_sets(program: object, state: dict[str, Any]) -> dict[str, Any]:
    """Return a program's state in which lists that were sets in its demos are sorted; `state` itself is unchanged.

    Args:
        program: a `dspy.Module`, or any object with a `dump_state`.
        state: what its `dump_state` returned, or that of its predictors by name.
    """
    if isinstance(getattr(program, "demos", None), list) and isinstance(state.get("demos"), list):
        return _predictor_state(program, state)
    walk: Any = getattr(program, "named_parameters", None)  # not of every object with a `dump_state`
    parts = dict(cast("Iterable[tuple[str, object]]", walk() if callable(walk) else ()))
    return {
        name: _predictor_state(parts[name], cast("dict[str, Any]", item))
        if name in parts and isinstance(item, dict)
        else item
        for name, item in state.items()
    }


def _predictor_state(predictor: object, state: dict[str, Any]) -> dict[str, Any]:
    demos: object = getattr(predictor, "demos", None)
    return {**state, "demos": _ordered(demos, state["demos"])} if demos and "demos" in state else state


def _ordered(original: object, dumped: object) -> object:
    if isinstance(dumped, dict):
        fields = cast("dict[str, object]", dumped)
        members = _members(original)
        return {name: _ordered(members.get(name), item) for name, item in fields.items()}
    if not isinstance(dumped, list | tuple):
        return dumped
    items = cast("list[object]", dumped)
    if not isinstance(original, list | tuple | set | frozenset) or len(cast("Sized", original)) != len(items):
        return items
    ordered = [_ordered(member, item) for member, item in zip(cast("Iterable[object]", original), items, strict=True)]
    return sorted(ordered, key=repr) if isinstance(original, set | frozenset) else ordered


def _members(original: object) -> Mapping[str, object]:
    """Return the values of a mapping, of a `dspy.Example` or of a pydantic model, by the names that a dump has."""
    if isinstance(original, Mapping):
        return {str(name): item for name, item in cast("Mapping[object, object]", original).items()}
    if callable(getattr(original, "toDict", None)):  # a `dspy.Example`, which is not a mapping
        return dict(cast("Any", original).items())
    return getattr(original, "__dict__", {})
