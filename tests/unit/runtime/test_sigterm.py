"""What SIGTERM does to a process that has something to close."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import atexit, os, signal, sys, time
from otel_dspy.runtime import sigterm

def show(line):
    os.write(1, f"{line}\\n".encode())

def close():
    show("closing")
    time.sleep(0.5)
    show("closed")

sigterm.close_first(close)
atexit.register(show, "the interpreter ends")
"""
"""Each line is one write: several processes share the pipe, and an unbuffered `print` writes the end of a line apart."""
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
    hangs = PROGRAM.replace("time.sleep(0.5)", "begun.set(); time.sleep(600)")
    begin = "import threading; begun = threading.Event(); signal.raise_signal(signal.SIGTERM); begun.wait(60); "
    done = subprocess.run(
        [sys.executable, "-c", f"{hangs}{begin}signal.raise_signal(signal.SIGTERM)"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("closing\n", -signal.SIGTERM)


APPLICATION = (
    PROGRAM.replace("atexit.register(show", "atexit.register(close); atexit.register(show")
    + """
async def app(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    await send({"type": "lifespan.startup.complete"})
    show("serving")
    assert (await receive())["type"] == "lifespan.shutdown"
    await send({"type": "lifespan.shutdown.complete"})
"""
)
"""An application with the exit handler of `PROGRAM` and one that closes."""


@pytest.mark.parametrize(
    ("options", "processes"), [(["--workers", "2", "--timeout-worker-healthcheck", "120"], 2), (["--reload"], 1)]
)
def test_an_application_of_uvicorn_ends_by_its_exit_handlers(
    options: list[str], processes: int, tmp_path: Path
) -> None:
    """A server that imports it while it serves raises the signal again with the default action: it ended without them."""
    (tmp_path / "application.py").write_text(APPLICATION, encoding="utf-8")
    command = [sys.executable, "-m", "uvicorn", "application:app", "--lifespan", "on", "--port", "0"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
    ) as process:
        try:
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(processes)] == ["serving\n"] * processes
            process.terminate()
            stdout, _ = process.communicate(timeout=60)
        except BaseException:
            process.kill()
            raise
    assert Counter(stdout.splitlines()) == dict.fromkeys(["the interpreter ends", "closing", "closed"], processes)
