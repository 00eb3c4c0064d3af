"""Programs named on the command line: `FILE.py:NAME` or `package.module:NAME`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otel_dspy.command_line.user_file import import_file
from otel_dspy.command_line.user_program import NoProgramError, program_of
from otel_dspy.model_registry.errors import RegistryError
from otel_dspy.telemetry.error_line import error_line


@dataclass(frozen=True)
class ProgramSource:
    """A program and the files that it is loaded with."""

    program: Any
    code_paths: tuple[str, ...] = ()
    """Files that the registered model contains, because no installed package has them."""


def program_source(name: str) -> ProgramSource:
    """Return the program of that name; a class or a function is called without arguments.

    Args:
        name: `FILE.py:NAME` or `package.module:NAME`.

    Raises:
        RegistryError: It cannot be imported, or has no such name.
    """
    where, _, attribute = name.rpartition(":")
    if not where or not attribute:
        raise RegistryError(f"{name!r} names no program: FILE.py:NAME or package.module:NAME.")
    file = Path(where) if where.endswith(".py") else None
    try:
        module = importlib.import_module(where) if file is None else import_file(file)
        program = program_of(getattr(module, attribute), repr(name))
    except NoProgramError as error:
        raise RegistryError(str(error)) from error
    except Exception as error:
        raise RegistryError(f"The program {name!r} cannot be made: {error_line(error)}") from error
    return ProgramSource(program, () if file is None else (str(file.resolve()),))
