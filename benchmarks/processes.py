"""Worker processes of benchmarks, and what processes have used (Linux)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.environments import ROOT

_GROUP: Final = 2
_USER: Final = 11
"""Fields of `/proc/PID/stat` after the command's name: the process group; ticks in user mode, then in system mode."""


def result_of(*command: str, python: str = sys.executable, **variables: str) -> Any:
    """Run a module of the benchmarks in a process of its own, and return its last line of output, parsed.

    Args:
        command: the module's name and its arguments.
        python: the interpreter.
        variables: environment variables.

    Raises:
        subprocess.CalledProcessError: the process failed.
    """
    done = subprocess.run(
        [python, "-m", *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def resident(process: int | str = "self") -> float:
    """Return the resident memory of a process, of this one by default, in MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(group: int, *processes: int) -> float:
    """Return the CPU seconds that the living processes of a process group, and further ones, have used.

    Args:
        group: id of the process group.
        processes: ids of the further processes.
    """
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # the process has ended
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[_GROUP]) == group or int(stat.parent.name) in processes:
                ticks += int(fields[_USER]) + int(fields[_USER + 1])
    return ticks / os.sysconf("SC_CLK_TCK")
