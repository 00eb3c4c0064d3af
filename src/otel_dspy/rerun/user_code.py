"""Objects of the user's code, named as FILE:NAME."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otel_dspy.command_line.user_file import import_file
from otel_dspy.command_line.user_program import NoProgramError, program_of
from otel_dspy.rerun.errors import RerunError
from otel_dspy.telemetry.error_line import error_line


class UserCode:
    """Files of the user, each of which is run once."""

    def __init__(self) -> None:
        self._modules: dict[Path, Any] = {}

    def program(self, named: str) -> Any:
        """Return a program: the object itself, or what its class or a function returns without arguments.

        Raises:
            RerunError: It is not a DSPy program, the file, the class or the function raises, or see `load`.
        """
        try:
            return program_of(self.load(named), named)
        except NoProgramError as error:
            raise RerunError(str(error)) from error
        except RerunError:
            raise
        except Exception as error:
            raise RerunError(f"The program {named} cannot be made: {error_line(error)}") from error

    def metric(self, named: str) -> Any:
        """Return a metric.

        Raises:
            RerunError: It cannot be called, or see `load`.
            Exception: Any that the file raises.
        """
        found = self.load(named)
        if not callable(found):
            raise RerunError(f"{named} is no function, but of type {type(found).__name__}.")
        return found

    def load(self, named: str) -> Any:
        """Run a file, as an import does, and return one of its objects.

        Args:
            named: `FILE:NAME`, such as `program.py:classifier`.

        Raises:
            RerunError: The text has another form, or the file or the object does not exist.
            Exception: Any that the file raises.
        """
        file, _, name = named.rpartition(":")
        if not file or not name.isidentifier():
            raise RerunError(f"{named} is not FILE:NAME, such as program.py:classifier.")
        path = Path(file).resolve()
        if not path.is_file() or path.suffix != ".py":
            raise RerunError(f"There is no Python file {file}.")
        module = self._modules.get(path)
        if module is None:
            module = self._modules[path] = import_file(path)
        if not hasattr(module, name):
            raise RerunError(f"{file} has no {name}.")
        return getattr(module, name)
