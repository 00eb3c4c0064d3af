"""Starts Phoenix while the tests are imported: the imports keep one processor busy, and another is idle."""

from __future__ import annotations

import threading
from typing import Final

import pytest

from tests.support.phoenix_server import INSTALLED, start_phoenix
from tests.support.session_processes import session_process

_starting: Final[list[threading.Thread]] = []


def start_phoenix_early(config: pytest.Config) -> None:
    """Start Phoenix if all tests are run. Where it does not start, the first test that needs it tries again and reports."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and INSTALLED:
        _starting.append(threading.Thread(target=session_process, args=("phoenix", start_phoenix)))
        _starting[-1].start()


def await_phoenix() -> None:
    """Wait until Phoenix has started, so that the end of the session finds and stops it."""
    for thread in _starting:
        thread.join()
