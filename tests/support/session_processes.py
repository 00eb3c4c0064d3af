"""Processes that all workers of pytest-xdist share: the first test that needs one starts it, the end of the session stops it.

Workers find the folder of the session in an environment variable, which they inherit from the process that starts them.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs import Running

_VARIABLE: Final = "TESTS_SESSION_FOLDER"
_started: Final[list[Running]] = []
"""Those that this process has started: a `Popen` that is collected while its process runs warns."""


def begin_session() -> tempfile.TemporaryDirectory[str] | None:
    """Make the session's folder, unless this process is a worker of a session; to be passed to `end_session`."""
    if _VARIABLE in os.environ:
        return None
    folder = tempfile.TemporaryDirectory(prefix="otel-dspy-tests-session-", ignore_cleanup_errors=True)
    os.environ[_VARIABLE] = folder.name
    return folder


def end_session(folder: tempfile.TemporaryDirectory[str] | None) -> None:
    """Kill the session's processes, which have nothing to save, and remove its folder; nothing in a worker."""
    if folder is None:
        return
    for described in Path(folder.name).glob("*/process.json"):
        with suppress(ProcessLookupError):
            os.killpg(json.loads(described.read_text())["group"], signal.SIGKILL)
    for process in _started:
        if isinstance(process, subprocess.Popen):  # a `Program` is waited for by the fork server, which is gone too
            process.wait(60)
    folder.cleanup()
    # mutmut runs pytest several times in a process, which imports the conftest once.
    os.environ.pop(_VARIABLE, None)


def session_process(name: str, start: Callable[[Path], tuple[Running, dict[str, Any]]]) -> dict[str, Any]:
    """Start a process unless a test of this session has.

    Args:
        name: of its folder.
        start: gets the folder; returns the leader of a process group and what tests must know to use it, as JSON.

    Returns:
        What `start` returned, with the id of the process group as `group`.

    Raises:
        KeyError: there is no session.
    """
    folder = Path(os.environ[_VARIABLE]) / name
    folder.mkdir(exist_ok=True)
    described = folder / "process.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if described.exists():
            return json.loads(described.read_text())
        process, facts = start(folder)
        _started.append(process)
        facts = facts | {"group": process.pid}
        described.write_text(json.dumps(facts))
        return facts


def claim(kind: str, name: str) -> bool:
    """Whether no other call of the session has claimed this; true where there is no session.

    Args:
        kind: of what is claimed, a folder's name.
        name: of what is claimed, a file's name.
    """
    if _VARIABLE not in os.environ:
        return True
    folder = Path(os.environ[_VARIABLE]) / kind
    folder.mkdir(exist_ok=True)
    try:
        (folder / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def described_process(name: str) -> dict[str, Any] | None:
    """What `session_process` has returned for this name in any process of the session; None before it has."""
    described = Path(os.environ.get(_VARIABLE, os.devnull)) / name / "process.json"
    return json.loads(described.read_text()) if described.is_file() else None
