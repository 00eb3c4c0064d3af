"""`caplog` of the tests: without what threads log that earlier tests of the process have left.

Such a thread may wait for a server that is gone, and warn while another test compares its log.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

import pytest

if TYPE_CHECKING:
    import logging
    from collections.abc import Generator

_OURS = "otel-dspy"
"""Begins the names of otel-dspy's threads; those of a module's fixture, such as a server, have other names."""


@pytest.fixture(autouse=True)
def earlier_threads() -> WeakSet[threading.Thread]:
    """Threads of otel-dspy that are there before the test and its own fixtures."""
    here = threading.current_thread()
    return WeakSet(thread for thread in threading.enumerate() if thread is not here and thread.name.startswith(_OURS))


@pytest.fixture
def caplog(
    caplog: pytest.LogCaptureFixture, earlier_threads: WeakSet[threading.Thread]
) -> Generator[pytest.LogCaptureFixture]:
    """The fixture of pytest, without the lines of earlier threads."""

    def of_the_test(_record: logging.LogRecord) -> bool:
        return threading.current_thread() not in earlier_threads

    handler = caplog.handler
    handler.addFilter(of_the_test)
    yield caplog
    handler.removeFilter(of_the_test)
