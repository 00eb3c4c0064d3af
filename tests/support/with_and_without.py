"""Run something un-instrumented, then instrumented: the outcome must be the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable


def outcome(run: Callable[[], Any]) -> tuple[str, str]:
    """What came of it, as texts: what was returned, or which error was raised."""
    try:
        return "returned", repr(run())
    except BaseException as error:  # noqa: BLE001 - KeyboardInterrupt is among what is compared
        return type(error).__name__, str(error)


def same_with_and_without(run: Callable[[], Any], **settings: Any) -> Any:
    """Assert that the outcome is the same without us and with us; give the `Recorder`."""
    without = outcome(run)
    with recording(**settings) as recorder:
        assert outcome(run) == without
    return recorder
