"""Redaction rules of the process, for parts of the package that never see the instrumentation's settings.

The instrumentor sets them. They apply the user's redactor and remove secrets, so that text which reaches a backend by
another way than an instrumented call follows the same rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.util.types import AnyValue

    Redaction = Callable[[str, AnyValue], AnyValue]

_redaction: Redaction | None = None


def set_global_redaction(redaction: Redaction | None) -> None:
    """Set the rules of the process; None removes them.

    Args:
        redaction: called with an attribute's name and plain data; returns data of the same shape.
    """
    global _redaction  # noqa: PLW0603 - one DSPy is instrumented in a process
    _redaction = redaction


def redacted(name: str, value: AnyValue) -> AnyValue:
    """Plain data with the process's rules applied to each string in it; unchanged where DSPy is not instrumented."""
    return value if _redaction is None else _redaction(name, value)
