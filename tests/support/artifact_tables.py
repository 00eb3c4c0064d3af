"""Rows of tables that runs have as artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def table(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A table's rows."""
    return [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
