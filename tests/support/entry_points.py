"""Patch that reads the hooks of other packages once: the metadata of two hundred packages take as long as a small test."""

from __future__ import annotations

import functools
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from otel_dspy.hooks.optimizers import hook_registry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoints


def read_entry_points_once() -> None:
    """Let `instrument` look for hooks in installed packages once for each search path."""
    registry: Any = hook_registry
    registry.entry_points = _found


def _found(*, group: str) -> EntryPoints:
    return _found_on(tuple(sys.path), group)


@functools.cache
def _found_on(path: Sequence[str], group: str) -> EntryPoints:
    del path  # where `entry_points` looks
    return entry_points(group=group)
