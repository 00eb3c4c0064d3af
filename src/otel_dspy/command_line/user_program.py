"""Programs that objects of the user's code are, or make."""

from __future__ import annotations

from typing import Any


class NoProgramError(Exception):
    """An object is not a DSPy program, and makes none; the message names its type."""


def program_of(found: Any, name: str) -> Any:  # noqa: ANN401 - what the user has written
    """Return a program: the object itself, or what a class or a function returns without arguments.

    Args:
        found: an object of the user's code.
        name: how the user has named it, for the message.

    Raises:
        NoProgramError: It is not a program, and makes none.
        Exception: Any that the class or the function raises.
    """
    makes = isinstance(found, type) or (callable(found) and not _is_program(found))
    program: Any = found() if makes else found
    if not _is_program(program):
        raise NoProgramError(f"{name} is no DSPy program, but of type {type(program).__name__}.")
    return program


def _is_program(found: object) -> bool:
    return hasattr(found, "named_predictors")
