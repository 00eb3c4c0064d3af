"""Objects of the user's code, named as FILE:NAME."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from otel_dspy.rerun.errors import RerunError


class UserCode:
    """Files of the user, each of which is run once."""

    def __init__(self) -> None:
        self._modules: dict[Path, Any] = {}

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
        if not path.is_file():
            raise RerunError(f"There is no file {file}.")
        module = self._modules.get(path)
        if module is None:
            module = self._modules[path] = _run(path)
        if not hasattr(module, name):
            raise RerunError(f"{file} has no {name}.")
        return getattr(module, name)


def _run(path: Path) -> Any:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise RerunError(f"{path} is no Python file.")
    module = module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # for dataclasses and pickles in it
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module
