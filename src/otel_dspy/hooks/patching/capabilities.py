"""What the installed DSPy has, looked for by name and never told from its version.

A part that isn't there (a class of a later version) has nothing to tell, and is passed over. A seam that isn't there
means that something of what DSPy does have stays unknown: `Patches` collects those, and one line tells them.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def part(path: str) -> Any | None:
    """The module `a.b`, or what it calls `name` (`a.b:name`); None where the installed DSPy has no such thing."""
    module, _, name = path.partition(":")
    try:
        found = import_module(module)
    except ImportError:
        return None
    return getattr(found, name, None) if name else found


def version_of(package: str) -> str:
    """The package's version, for people to read; `(unknown version)` of one that is no installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "(unknown version)"
