"""Checks of arguments of the public functions, which raise before anything is changed, read or called."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

_KINDS: Final = {
    "run": "the id of a run, or latest",
    "against": "the id of a run, or latest",
    "tracking_uri": "a tracking URI",
    "experiment": "the name of an experiment",
    "workspace": "the name of a workspace",
    "model": "the name of a model",
    "name": "the name of a registered model",
    "alias": "an alias",
}
"""What the text of an argument is."""


def check_texts(function: str, **given: object) -> None:
    """Check arguments that are a text or not given (None).

    Args:
        function: name of the function, for messages.
        **given: its arguments, by names of `_KINDS`.

    Raises:
        ValueError: One is of another type, empty or blank.
    """
    for name, value in given.items():
        if value is not None:
            check_text(function, name, value)


def check_text(function: str, name: str, value: object) -> None:
    """Check one argument that is a text.

    Args:
        function: name of the function, for messages.
        name: name of the argument, one of `_KINDS`.
        value: the argument. Its message does not contain it, as a tracking URI may have a password.

    Raises:
        ValueError: It is not a text, or it is empty or blank.
    """
    if not isinstance(value, str):
        raise ValueError(f"{_where(function, name)}: {_kind(value)} is not {_KINDS[name]}; use a text")  # noqa: TRY004 - as Budget and Settings: one type for an argument that is wrong
    if not value.strip():
        raise ValueError(f"{_where(function, name)}: an empty text is not {_KINDS[name]}")


def check_store(function: str, tracking_uri: object) -> None:
    """Check a tracking URI that may be a path, or None.

    Raises:
        ValueError: It is of another type, empty or blank.
    """
    if not isinstance(tracking_uri, Path):
        check_texts(function, tracking_uri=tracking_uri)


def check_flags(function: str, **given: object) -> None:
    """Check arguments that are True or False; None is not.

    Args:
        function: name of the function, for messages.
        **given: its arguments.

    Raises:
        ValueError: One is of another type.
    """
    for name, value in given.items():
        if not isinstance(value, bool):
            raise ValueError(f"{_where(function, name)}: {_kind(value)} is not a boolean; use True or False")  # noqa: TRY004 - see check_text


def check_list(function: str, name: str, value: object) -> None:
    """Check an argument that is a list of texts: a text alone would be read as its characters.

    Args:
        function: name of the function, for messages.
        name: name of the argument.
        value: the argument.

    Raises:
        ValueError: It is a text, or of another type.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ValueError(f"{_where(function, name)}: {_kind(value)} is not a list of texts")  # noqa: TRY004 - see check_text


def check_program(function: str, program: Any) -> None:  # noqa: ANN401 - the user's program; DSPy is optional here
    """Check that an argument is a DSPy program, and no class of one.

    Args:
        function: name of the function, for messages.
        program: the argument.

    Raises:
        ValueError: It is a class, or has no predictors by name.
    """
    if isinstance(program, type):
        raise ValueError(f"{_where(function, 'program')}: {program.__name__} is a class; pass an instance")  # noqa: TRY004 - see check_text
    if not callable(getattr(program, "named_predictors", None)):
        raise ValueError(  # noqa: TRY004 - see check_text
            f"{_where(function, 'program')}: {_kind(program)} is not a DSPy program; pass an instance of dspy.Module"
        )


def _where(function: str, name: str) -> str:
    return f"{function}({name}=...)"


def _kind(value: object) -> str:
    if value is None:
        return "None"
    kind = type(value)
    # NumPy's boolean has the name of Python's.
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return f"a value of type {name}"
