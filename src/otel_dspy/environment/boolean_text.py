"""Booleans as people write them in environment variables and flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})


def boolean(text: str) -> bool:
    """Return a boolean: `true`, `1`, `yes`, `on`, or `false`, `0`, `no`, `off`, in any case.

    Raises:
        ValueError: the text is not one of these words.
    """
    word = text.strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    message = f"{text!r} is not a boolean; use true or false"
    raise ValueError(message)


def boolean_variable(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return the boolean of an environment variable. An invalid one counts as not set; `otel-dspy doctor` reports it.

    Args:
        environment: environment variables.
        name: name of the variable.
        default: the value if it is not set.
    """
    try:
        return boolean(environment[name])
    except (KeyError, ValueError):
        return default
