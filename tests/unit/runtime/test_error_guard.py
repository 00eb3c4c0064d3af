from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from otel_dspy.runtime.error_guard import failures, guarded, report


def fail(part: str, error: BaseException) -> None:
    """Raise inside a guard."""
    with guarded(part):
        raise error


def test_a_failure_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first comes with its traceback as a warning; the later ones are logged at DEBUG."""
    with caplog.at_level(logging.DEBUG, "otel_dspy"):
        for _ in range(3):
            fail("part one of these tests", ValueError("ours"))
    assert failures()["part one of these tests"] == 3
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.DEBUG, logging.DEBUG]
    assert "ValueError: ours" in caplog.text


@pytest.mark.parametrize(
    "error", [StopIteration(), StopAsyncIteration(), RecursionError(), AssertionError(), OSError()]
)
def test_errors_of_otel_dspy_are_not_raised(error: Exception) -> None:
    """Errors that mean something to generators and loops are ours as well."""
    fail("part two of these tests", error)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit(), asyncio.CancelledError()])
def test_what_stops_a_program_passes(error: BaseException) -> None:
    """Ctrl-C, exit and cancellation are the user's, also while otel-dspy's code runs; they are no failure of otel-dspy."""
    with pytest.raises(type(error)):
        fail("part three of these tests", error)
    assert "part three of these tests" not in failures()


def test_a_broken_logging_setup_does_not_break_the_guard() -> None:
    """A filter of the user's own that raises is not our program's end."""

    def broken(_record: logging.LogRecord) -> bool:
        raise RuntimeError

    logger = logging.getLogger("otel_dspy")
    logger.addFilter(broken)
    try:
        fail("part four of these tests", ValueError())
    finally:
        logger.removeFilter(broken)
    assert failures()["part four of these tests"] == 1


def test_threads_are_all_counted() -> None:
    """No failure is lost to another thread's."""
    threads = [
        threading.Thread(target=lambda: [report("part five of these tests", ValueError()) for _ in range(100)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures()["part five of these tests"] == 800


def test_the_counts_are_a_copy() -> None:
    """A reader cannot change them."""
    failures()["part six of these tests"] = 5
    assert "part six of these tests" not in failures()
