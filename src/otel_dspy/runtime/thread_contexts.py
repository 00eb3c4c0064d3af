"""Contexts of other libraries that DSPy's thread pools lose, carried beside OpenTelemetry's context.

A module with a context variable of its own registers a source. The hook of DSPy's thread pools captures and attaches
its value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    Attach = Callable[[], "Callable[[], None]"]
    """Attaches a captured context to the current thread, and returns the function that detaches it there."""
    Source = Callable[[], "Attach | None"]
    """Captures a context of the current thread; None if there is none."""


def register(source: Source) -> None:
    """Register a source whose contexts are carried. Idempotent."""
    if source not in _sources:
        _sources.append(source)


def unregister(source: Source) -> None:
    """Undo `register`."""
    if source in _sources:
        _sources.remove(source)


class CapturedContexts:
    """Registered contexts of the thread that creates it, for use on other threads."""

    def __init__(self) -> None:
        self._attach: list[Attach] = []
        for source in tuple(_sources):  # another thread may register one
            with guarded("capturing a context for threads"):
                attach = source()
                if attach is not None:
                    self._attach.append(attach)

    def attach(self) -> list[Callable[[], None]]:
        """Attach them to the current thread.

        Returns:
            What `detach` takes, on the same thread.
        """
        attached: list[Callable[[], None]] = []
        for attach in self._attach:
            with guarded("attaching a context to a thread"):
                attached.append(attach())
        return attached


def detach(attached: list[Callable[[], None]]) -> None:
    """Detach what was attached to the current thread."""
    for one in reversed(attached):
        with guarded("detaching a context from a thread"):
            one()


_sources: Final[list[Source]] = []
