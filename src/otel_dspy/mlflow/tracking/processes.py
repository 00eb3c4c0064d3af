"""Which process a run is of, and whether that process is gone.

A run names every process that might end it: this one and, in a forked child, those that it was forked from. It is left
behind only when none of them is there any more, and only a process of the same host can know that.
"""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST_TAG: Final = "otel_dspy.host"
"""Tag of a run: where its processes live, as `host` gives it."""
PROCESSES_TAG: Final = "otel_dspy.processes"
"""Tag of a run: its processes, as `process` gives each, parents first."""

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE: Final = Path("/proc/self/ns/pid")
_MACHINE: Final = Path("/etc/machine-id")
_FIRST_NAMESPACE: Final = "pid:[4026531836]"
"""Of processes in no container (PROC_PID_INIT_INO, include/linux/proc_ns.h)."""
_MACHINE_DIGITS: Final = 32
"""machine-id(5)."""
_START_FIELD: Final = 19
"""Position of the start in /proc/PID/stat (proc_pid_stat(5): field 22), counted after the name in parentheses."""


def host() -> str:
    """What process ids are unique in: the host's name and, on Linux, what tells it from others of that name.

    That is the machine, which stays itself when it is booted again. A container has no machine of its own, and shares
    a host's name where it shares its network: there it is the boot and the namespace of process ids.
    """
    parts = [socket.gethostname()]
    with suppress(OSError):  # not Linux, or nothing is shown of it
        namespace, boot = _NAMESPACE.readlink().name, _boot()
        machine = _machine() if namespace == _FIRST_NAMESPACE else None
        parts += [namespace, boot] if machine is None else [machine]
    return " ".join(parts)


def process(pid: int) -> str:
    """A process by its id and, on Linux, its start in ticks since the boot, and the boot: `42@1234567@f81d4fae-…`.

    Ids are given again.
    """
    stat = _stat(pid)
    if stat is None:
        return str(pid)
    try:
        return f"{pid}@{stat[_START_FIELD]}@{_boot()}"
    except OSError:
        return f"{pid}@{stat[_START_FIELD]}"


def _boot() -> str:
    return _BOOT.read_text(encoding="ascii").strip()


def _machine() -> str | None:
    """A name of this machine alone; None where it has none. The id itself is not to be shown: machine-id(5)."""
    try:
        known = _MACHINE.read_bytes().strip()
    except OSError:
        return None
    return hashlib.sha256(b"otel-dspy " + known).hexdigest()[:16] if len(known) == _MACHINE_DIGITS else None


def own_tags() -> dict[str, str]:
    """The tags of a run that this process begins."""
    return {HOST_TAG: host(), PROCESSES_TAG: " ".join(_own)}


def gone(processes: str) -> bool:
    """Whether none of these processes of this host, the value of `PROCESSES_TAG`, is there any more.

    False where that can't be known: an empty or odd text, or Windows, where to ask after a process may end it.
    """
    found = processes.split()
    return os.name == "posix" and bool(found) and all(_is_gone(one) for one in found)


def lives(tags: Mapping[str, str]) -> bool:
    """Whether these tags of a run name this host and a process that is there. False where that can't be known."""
    processes = tags.get(PROCESSES_TAG, "")
    return os.name == "posix" and bool(processes) and tags.get(HOST_TAG) == host() and not gone(processes)


def _is_gone(one: str) -> bool:
    number, start, boot = (*one.split("@"), "", "")[:3]
    if not number.isdecimal() or int(number) == 0:
        return False
    pid = int(number)
    with suppress(OSError):
        if boot and boot != _boot():
            return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False  # it is somebody else's, so it is there
    stat = _stat(pid)
    # A zombie has ended; only its parent has not asked how.
    return stat is not None and (stat[0] in {"Z", "X"} or (bool(start) and stat[_START_FIELD] != start))


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields if len(fields) > _START_FIELD else None


_own: Final = [process(os.getpid())]
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _own.append(process(os.getpid())))
