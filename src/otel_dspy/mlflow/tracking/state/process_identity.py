"""Process identity of runs: which process owns a run, and whether it has exited.

A run's tags list every process that might end it: this one and, in a forked child, its ancestors. A run is stale only
if all of them have exited, which only a process on the same host can determine.
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
"""Tag of a run: the host of its processes, as returned by `host`."""
PROCESSES_TAG: Final = "otel_dspy.processes"
"""Tag of a run: its processes, as returned by `process`, parents first."""

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE: Final = Path("/proc/self/ns/pid")
_MACHINE: Final = Path("/etc/machine-id")
_FIRST_NAMESPACE: Final = "pid:[4026531836]"
"""PID namespace of processes outside containers (PROC_PID_INIT_INO, include/linux/proc_ns.h)."""
_MACHINE_DIGITS: Final = 32
"""machine-id(5)."""
_START_FIELD: Final = 19
"""Position of the start time in /proc/PID/stat (proc_pid_stat(5): field 22), counted after the name in parentheses."""


def host() -> str:
    """Return the scope in which process ids are unique: the host's name and, on Linux, a machine or container id.

    A machine keeps its id across boots. A container has no machine id of its own and may share its host's name with the
    network namespace: its id is the boot and the PID namespace.
    """
    parts = [socket.gethostname()]
    with suppress(OSError):  # not Linux, or /proc is not readable
        namespace, boot = _NAMESPACE.readlink().name, _boot()
        machine = _machine() if namespace == _FIRST_NAMESPACE else None
        parts += [namespace, boot] if machine is None else [machine]
    return " ".join(parts)


def process(pid: int) -> str:
    """Return a process' id and, on Linux, its start in ticks since the boot, and the boot: `42@1234567@f81d4fae-…`.

    Process ids are reused.
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
    """Return an id derived from the machine id, which must not be exposed itself (machine-id(5)); None without one."""
    try:
        known = _MACHINE.read_bytes().strip()
    except OSError:
        return None
    return hashlib.sha256(b"otel-dspy " + known).hexdigest()[:16] if len(known) == _MACHINE_DIGITS else None


def own_tags() -> dict[str, str]:
    """Return the tags for a run that this process starts."""
    return {HOST_TAG: host(), PROCESSES_TAG: " ".join(_own)}


def have_exited(processes: str) -> bool:
    """Whether all processes in the value of `PROCESSES_TAG`, of this host, have exited.

    False if that cannot be determined: an empty or malformed text, or Windows, where the check could end a process.
    """
    found = processes.split()
    return os.name == "posix" and bool(found) and all(_is_gone(one) for one in found)


def owner_is_running(tags: Mapping[str, str]) -> bool:
    """Whether tags of a run name this host and a running process. False if that cannot be determined."""
    processes = tags.get(PROCESSES_TAG, "")
    return os.name == "posix" and bool(processes) and tags.get(HOST_TAG) == host() and not have_exited(processes)


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
        return False  # it exists, owned by another user
    stat = _stat(pid)
    # A zombie has exited; its parent has not reaped it.
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
