"""Programs and metrics of the user's code that the command line names: `FILE.py:NAME` or `package.module:NAME`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_dspy.command_line.user_code_error import UserCodeError
from otel_dspy.command_line.user_file import import_file
from otel_dspy.telemetry.error_line import error_line

if TYPE_CHECKING:
    from types import ModuleType


class UserCode:
    """The user's code that one command runs; each file is run once."""

    def __init__(self) -> None:
        self._files: dict[Path, ModuleType] = {}

    @property
    def files(self) -> tuple[str, ...]:
        """Absolute paths of the files that were run, in order; modules of packages are not among them."""
        return tuple(map(str, self._files))

    def program(self, named: str) -> Any:  # noqa: ANN401 - what the user has written
        """Return a program: the object itself, or what its class or a function returns without arguments.

        Args:
            named: `FILE.py:NAME` or `package.module:NAME`, such as `program.py:classifier`.

        Raises:
            UserCodeError: It has another form, cannot be imported, is no DSPy program and makes none, or the file, the
                class or the function raises.
        """
        where, name = _parts("program", named)
        try:
            found = self._load(where, name)
            program: Any = found() if _makes_program(found) else found
            made = _is_program(program)
        except Exception as error:
            raise UserCodeError(f"The program {named} cannot be made: {error_line(error)}") from error
        if not made:
            raise UserCodeError(f"{named} is no DSPy program, but of type {type(program).__name__}.")
        return program

    def metric(self, named: str) -> Any:  # noqa: ANN401 - see above
        """Return a metric.

        Args:
            named: as for `program`.

        Raises:
            UserCodeError: It has another form, cannot be imported or called, or the file raises.
        """
        where, name = _parts("metric", named)
        try:
            found = self._load(where, name)
        except Exception as error:
            raise UserCodeError(f"The metric {named} cannot be loaded: {error_line(error)}") from error
        if not callable(found):
            raise UserCodeError(f"{named} is no function, but of type {type(found).__name__}.")
        return found

    def _load(self, where: str, name: str) -> Any:  # noqa: ANN401 - see above
        module = self._file(where) if where.endswith(".py") else importlib.import_module(where)
        if not hasattr(module, name):
            raise AttributeError(f"{where} has no {name}.")
        return getattr(module, name)

    def _file(self, file: str) -> ModuleType:
        path = Path(file).resolve()
        module = self._files.get(path)
        if module is None:
            module = self._files[path] = import_file(path)
        return module


def _parts(kind: str, named: str) -> tuple[str, str]:
    where, _, name = named.rpartition(":")
    if not where or not name.isidentifier():
        raise UserCodeError(f"{named} names no {kind}: FILE.py:NAME or package.module:NAME.")
    return where, name


def _makes_program(found: object) -> bool:
    return isinstance(found, type) or (callable(found) and not _is_program(found))


def _is_program(found: object) -> bool:
    return hasattr(found, "named_predictors")
