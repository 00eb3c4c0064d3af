"""Parameters of an optimizer: the arguments of its constructor and of compile."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_THREADS = "num_threads"
_SETTINGS = (_THREADS, "max_errors", "provide_traceback")
"""Parameters that DSPy takes from its setting of the same name where they are None."""
EXAMPLES: Final = {"trainset": ("train", "trainset"), "valset": ("validation", "valset")}
"""Arguments of compile with examples, which are no parameters: role and name of the dataset."""


def parameters_of(
    optimizer: Any, arguments: Mapping[str, Any], attribute_names: Mapping[str, str]
) -> dict[str, object]:
    """Return the parameters of `OptimizerHook.parameters`.

    Args:
        optimizer: the user's object; must not be modified.
        arguments: the effective arguments of compile by name, including defaults.
        attribute_names: constructor parameter -> attribute that holds it, where the two differ.
    """
    attributes = cast("dict[str, object]", vars(optimizer))
    values: dict[str, object] = {}
    public = [key for key in attributes if not key.startswith("_")]
    names = _constructor_parameters(cast("type[object]", type(optimizer))) or public
    for name in names:
        held = attribute_names.get(name, name)
        if attributes.get(held) is not None:
            values[name] = attributes[held]
    values.update({name: value for name, value in arguments.items() if value is not None})
    for name in ("student", "teacher", *EXAMPLES):
        values.pop(name, None)
    for name in _SETTINGS:
        # DSPy's pool (`dspy.utils.parallelizer.ParallelExecutor`) takes its setting for no threads, too.
        missing = name not in values and (name in names or name in arguments)
        if (missing or (name == _THREADS and values.get(name) == 0)) and (setting := _setting(name)) is not None:
            values[name] = setting
    return values


def _setting(name: str) -> object:
    import dspy  # noqa: PLC0415 - dspy is imported when it is instrumented

    return getattr(cast("Any", dspy).settings, name, None)


def _constructor_parameters(cls: type[Any]) -> list[str]:
    names: dict[str, None] = {}
    for base in cls.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is None or base is object:
            continue
        parameters = list(inspect.signature(constructor).parameters.values())[1:]
        names.update(dict.fromkeys(p.name for p in parameters if p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return list(names)
