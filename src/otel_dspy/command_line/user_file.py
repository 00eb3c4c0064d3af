"""Import of a file of the user's code that the command line names."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def import_file(file: Path) -> ModuleType:
    """Run a file as an import of its name does, with the files beside it importable.

    Args:
        file: the file, ending in `.py`.

    Raises:
        FileNotFoundError: There is no such file, or it is not Python code by its ending.
        Exception: Any that the file raises.
    """
    spec = spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise FileNotFoundError(f"There is no Python file {file}.")
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module, before = module_from_spec(spec), sys.modules.get(file.stem)
    sys.modules[file.stem] = module  # dataclasses and pickles of the file look its classes up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(file.stem, None)
        if before is not None:  # of the same name, which others may import again
            sys.modules[file.stem] = before
        raise
    return module
