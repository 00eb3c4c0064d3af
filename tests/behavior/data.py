"""Anything that DSPy gives, as plain data that can be compared: types, contents, attributes, no identities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import dspy

_UNSTEADY: Final = frozenset({"uuid", "timestamp"})
"""Keys of a history's entry that differ from call to call."""
_DEEPEST: Final = 12
_LARGEST_INDEX: Final = 10**6


def as_data(value: Any, depth: int = 0) -> Any:
    """The value as lists, dicts and scalars; objects as their type's name with what they hold."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return (
            value if type(value) in {type(None), bool, int, float, str, bytes} else (type(value).__name__, str(value))
        )
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, BaseException):
        return _exception(value, depth)
    if isinstance(value, dspy.Module):
        return {"program": type(value).__name__, "state": as_data(value.dump_state(), depth + 1)} | _left_behind(
            value, depth
        )
    if isinstance(value, dspy.Example):
        return _record(value, depth)
    return _container(value, depth)


def _container(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {_key(key): as_data(item, depth + 1) for key, item in items if key not in _UNSTEADY}
    kind = cast("object", value).__class__.__name__
    if isinstance(value, list | tuple):
        return [kind, *(as_data(item, depth + 1) for item in cast("list[Any]", value))]
    if isinstance(value, set | frozenset):
        return sorted(repr(as_data(item, depth + 1)) for item in cast("set[Any]", value))
    fields = getattr(value, "model_dump", None)
    if callable(fields) and not isinstance(value, type):
        return {"model": kind, "fields": as_data(cast("Any", fields()), depth + 1)}
    return repr(value)


def _key(key: object) -> str:
    # COPRO's statistics are by the `id` of a predictor.
    return "<id>" if isinstance(key, int) and key > _LARGEST_INDEX else str(key)


def _record(value: Any, depth: int) -> dict[str, Any]:
    held = vars(cast("object", value))
    usage = getattr(value, "get_lm_usage", None)
    return {
        "record": type(value).__name__,
        "fields": as_data(value.toDict(), depth + 1),
        "inputs": sorted(held.get("_input_keys") or ()),
        "usage": as_data(usage() if callable(usage) else None, depth + 1),
        "attributes": sorted(held),
    }


def _exception(error: BaseException, depth: int) -> dict[str, Any]:
    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "args": as_data(list(error.args), depth + 1),
        "text": str(error),
        "notes": as_data(getattr(error, "__notes__", None), depth + 1),
        "attributes": {name: as_data(item, depth + 1) for name, item in vars(error).items()},
        "cause": as_data(error.__cause__, depth + 1),
        "context": as_data(error.__context__, depth + 1),
        "suppress context": error.__suppress_context__,
    }


def _left_behind(program: dspy.Module, depth: int) -> dict[str, Any]:
    """What an optimizer writes on the program that it returns, and the program's own history of calls."""
    names = ("trial_logs", "score", "candidate_programs", "mb_candidate_programs", "simba_idx", "results_best",
             "results_latest", "total_calls", "detailed_results", "_compiled",
             "flag_compilation_error_occurred")  # fmt: skip
    held = vars(program)
    return {
        "attributes": sorted(held),
        "left behind": {name: as_data(held[name], depth + 1) for name in names if name in held},
        "history": as_data(getattr(program, "history", None), depth + 1),
    }
