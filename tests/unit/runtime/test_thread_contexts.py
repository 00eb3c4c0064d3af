"""Contexts of other libraries on threads."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest

from otel_dspy.runtime import thread_contexts

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

CURRENT: ContextVar[str | None] = ContextVar("current", default=None)


def _capture() -> Callable[[], Callable[[], None]] | None:
    value = CURRENT.get()
    if value is None:
        return None

    def attach() -> Callable[[], None]:
        token = CURRENT.set(value)
        return lambda: CURRENT.reset(token)

    return attach


@pytest.fixture(autouse=True)
def registered() -> Generator[None]:
    """The source, registered twice, which counts once."""
    thread_contexts.register(_capture)
    thread_contexts.register(_capture)
    yield
    thread_contexts.unregister(_capture)
    thread_contexts.unregister(_capture)


def _on_a_thread(captured: thread_contexts.CapturedContexts) -> list[str | None]:
    """The value on a fresh thread before, while and after it is attached."""
    found: list[str | None] = []

    def run() -> None:
        found.append(CURRENT.get())
        attached = captured.attach()
        found.append(CURRENT.get())
        thread_contexts.detach(attached)
        found.append(CURRENT.get())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found


def test_a_thread_has_the_context_of_the_one_that_captured() -> None:
    """As it was then, and only between attaching and detaching."""
    token = CURRENT.set("outer")
    captured = thread_contexts.CapturedContexts()
    CURRENT.reset(token)
    assert _on_a_thread(captured) == [None, "outer", None]


def test_nothing_is_attached_where_nothing_was_active() -> None:
    """Nor what a source that is no longer registered would capture."""
    captured = thread_contexts.CapturedContexts()
    token = CURRENT.set("later")
    assert _on_a_thread(captured) == [None, None, None]
    thread_contexts.unregister(_capture)
    assert thread_contexts.CapturedContexts().attach() == []
    CURRENT.reset(token)


def test_a_source_that_fails_holds_back_no_other() -> None:
    """At any of its three steps."""

    def captures() -> Callable[[], Callable[[], None]]:
        raise ValueError("capture")

    def attaches() -> Callable[[], Callable[[], None]]:
        def attach() -> Callable[[], None]:
            raise ValueError("attach")

        return attach

    def detaches() -> Callable[[], Callable[[], None]]:
        def detach() -> None:
            raise ValueError("detach")

        return lambda: detach

    sources = (captures, attaches, detaches)
    thread_contexts.unregister(_capture)
    for source in (*sources, _capture, *sources):
        thread_contexts.register(source)
    token = CURRENT.set("outer")
    try:
        captured = thread_contexts.CapturedContexts()
    finally:
        CURRENT.reset(token)
        for source in sources:
            thread_contexts.unregister(source)
    assert _on_a_thread(captured) == [None, "outer", None]
