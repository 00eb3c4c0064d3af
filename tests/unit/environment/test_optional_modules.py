"""Lookup of optional modules."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from otel_dspy.environment.optional_modules import is_installed

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("json", True),
        ("json.decoder", True),
        ("json.nothing", False),
        ("nowhere_at_all", False),
        ("nowhere.below", False),
    ],
)
def test_modules(name: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """A module in a package that is missing is missing too."""
    assert is_installed(name) is expected


@pytest.mark.parametrize(("modules", "expected"), [({"a_stub": ModuleType("a_stub")}, True), ({"a_stub": None}, False)])
def test_stubs(modules: Mapping[str, ModuleType], expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - as above
    """A module that a program has put into `sys.modules` is importable, without a spec too; None there is not."""
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    assert is_installed("a_stub") is expected
