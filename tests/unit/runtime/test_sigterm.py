"""What SIGTERM does to a process that has something to close."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import atexit, os, signal, sys, time
from otel_dspy.runtime import sigterm

def close():
    print("closing", flush=True)
    time.sleep(0.5)
    print("closed", flush=True)

sigterm.close_first(close)
atexit.register(print, "the interpreter ends", flush=True)
"""
GOES_ON = "signal.raise_signal(signal.SIGTERM); time.sleep(10)"
ENDS_ITSELF = "signal.raise_signal(signal.SIGTERM)"  # as uvicorn's workers do, once they have shut down
FAILS = "sigterm.close_first(lambda: 1 / 0); signal.raise_signal(signal.SIGTERM); time.sleep(10)"


@pytest.mark.parametrize("rest", [GOES_ON, ENDS_ITSELF, FAILS])
def test_it_ends_by_the_signal_once_all_is_closed(rest: str) -> None:
    """Also where the program is at its own end by then: neither is closing cut off by it, nor it begun meanwhile."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + rest], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("closing\nclosed\n", "")
    assert done.returncode == -signal.SIGTERM


def test_a_second_one_ends_it_at_once() -> None:
    """A second signal ends the wait."""
    twice = "signal.raise_signal(signal.SIGTERM); time.sleep(0.2); signal.raise_signal(signal.SIGTERM)"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + twice], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.returncode) == ("closing\n", -signal.SIGTERM)
