"""Programs that are run in a process of their own, in a fork of an interpreter that has DSPy, MLflow and otel-dspy imported.

For programs whose subject is not the start of the interpreter, nor anything that is read while one of these is
imported, nor what happens while modules are taken down. The others are started with `subprocess`. There are no progress
bars.
"""

from __future__ import annotations

import base64
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from tests.support.fork_server import ask
from tests.support.session_processes import session_process

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

ROOT = Path(__file__).parents[2]
_ENVIRONMENT = dict(os.environ)
"""As it is before any test changes it."""
_CALL = """
import base64, pickle, sys
called, arguments = pickle.loads(base64.b64decode(sys.argv[1]))
called(*arguments)
"""


class Running(Protocol):
    """What `Program` and `subprocess.Popen` have in common."""

    @property
    def pid(self) -> int:
        """Process id."""
        ...

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        ...

    def wait(self, patience: float, /) -> int:
        """Its exit code; an error if it has not ended after so many seconds."""
        ...

    def send_signal(self, number: int, /) -> None:
        """Send one, if it has not ended yet."""
        ...

    def kill(self) -> None:
        """`kill -9`."""
        ...


class Program:
    """One that runs; leaving the block kills it."""

    def __init__(  # noqa: PLR0913 - as many as a process has
        self,
        *arguments: str,
        text: str | None = None,
        file: Path | None = None,
        module: str | None = None,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdout: IO[Any] | None = None,
        stderr: IO[Any] | None = None,
        session: bool = False,
        progress_bars: bool = False,
    ) -> None:
        """Start it.

        Args:
            arguments: of the command line.
            text: as `python -c text`.
            file: as `python file`.
            module: as `python -m module`.
            folder: the working folder; this process' by default.
            environment: all of it; this process' by default. `PYTHONPATH` is respected.
            stdout: a file, or the writing end of a pipe; this process' by default.
            stderr: the same.
            session: whether it is in a session and a process group of its own, and so outlives this process.
            progress_bars: whether tqdm shows any.
        """
        what = {"text": text, "file": file and str(file), "module": module}
        request = {
            **{name: value for name, value in what.items() if value is not None},
            "arguments": arguments,
            "folder": str(folder or Path.cwd()),
            "environment": dict(os.environ if environment is None else environment),
            "session": session,
            "progress_bars": progress_bars,
        }
        streams = [1 if stdout is None else stdout.fileno(), 2 if stderr is None else stderr.fileno()]
        self._connection = ask(session_process("fork-server", _start)["address"], request, streams)
        self._reports = self._connection.makefile("rb", buffering=0)  # or `poll` would not see what is in the buffer
        self.pid = int(self._reports.readline())
        self.returncode: int | None = None

    def wait(self, patience: float = 300) -> int:
        """Its exit code, negative for the signal that killed it.

        Raises:
            TimeoutError: it has not ended after so many seconds.
        """
        if self.returncode is None:
            if not select.select([self._connection], [], [], patience)[0]:
                raise TimeoutError(f"process {self.pid} has not ended after {patience} s")
            self.returncode = int(self._reports.readline())
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        with suppress(TimeoutError):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        """Send one, if it has not ended yet."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """`kill -9`."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it if it is still there."""
        self.kill()
        self._reports.close()
        self._connection.close()


@contextmanager
def piped_program(*arguments: str, **how: Any) -> Generator[tuple[Program, IO[str]]]:
    """Start a `Program`; its standard output is to be read. It is killed at the end if it is still there."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as output:
        with os.fdopen(writing, "wb") as stdout:
            program = Program(*arguments, stdout=stdout, **how)
        with program:
            yield program, output


def run_program(*arguments: str, patience: float = 300, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run a `Program` to its end; its exit code and what it printed.

    Raises:
        TimeoutError: it has not ended after so many seconds; it has been killed.
    """
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        with Program(*arguments, stdout=stdout, stderr=stderr, **how) as program:
            status = program.wait(patience)
        for stream in (stdout, stderr):
            stream.seek(0)
        return subprocess.CompletedProcess(arguments, status, stdout.read(), stderr.read())


def exit_code(program: Callable[..., None], *arguments: object, patience: float = 180) -> int:
    """Run a function of a module in a process of its own; its exit code, negative for the signal that killed it.

    Args:
        program: imported by its module and name; a failed assertion is exit code 1 with the error on stderr.
        arguments: for the program, pickled.
        patience: seconds.
    """
    call = base64.b64encode(pickle.dumps((program, arguments))).decode()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = run_program(call, text=_CALL, environment=environment, patience=patience)
    sys.stderr.write(done.stderr)
    return done.returncode


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    address = str(folder / "socket")
    log = (folder / "log").open("wb")
    with log:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("fork_server.py"), address],
            env=_ENVIRONMENT | {"DSPY_CACHEDIR": str(folder / "cache")},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
        )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n", (folder / "log").read_text()[-4000:]
    return process, {"address": address}
