"""Lookup of optional modules without importing them."""

from __future__ import annotations

from importlib.util import find_spec


def is_installed(name: str) -> bool:
    """Whether a module can be imported; a dotted name whose parent is missing cannot."""
    try:
        return find_spec(name) is not None
    except ImportError:
        return False
    except ValueError:  # imported and without a spec, as a stub that tests put in place of a package
        return True
