"""Feature detection for the installed DSPy, by the name of modules and attributes instead of its version.

An optional component that is missing (a class of a later version) is skipped silently. A missing patch target means
that some calls are not recorded; `Patches` collects those and logs them in one line.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def part(path: str) -> Any | None:
    """Return the module `a.b`, or its attribute `name` for `a.b:name`; None if the installed DSPy lacks it."""
    module, _, name = path.partition(":")
    try:
        found = import_module(module)
    except ImportError:
        return None
    return getattr(found, name, None) if name else found


def version_of(package: str) -> str:
    """Return the package's version for log messages; `(unknown version)` if the package is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "(unknown version)"
