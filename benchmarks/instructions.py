"""Counts of the instructions that Python code executes, which other work on the machine does not change.

Needs valgrind and a C compiler, because the requests to valgrind are macros of C. A process takes fifty times as long
while its instructions are counted.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FOLDER: Final = "OTEL_DSPY_BENCHMARK_COUNTS"
"""Environment variable with the folder of the counts, set in the process that is counted."""
_REQUESTS: Final = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; }
void stop(void) { CALLGRIND_DUMP_STATS; CALLGRIND_STOP_INSTRUMENTATION; }
"""
_LIBRARY: Final = "requests.so"
_COUNTS: Final = "counts"


class Instructions:
    """Counts the instructions of all threads of this process, which `run_counted` has started."""

    def __init__(self) -> None:
        self._folder = Path(os.environ[_FOLDER])
        self._library = ctypes.CDLL(str(self._folder / _LIBRARY))
        self._number = 0

    def count(self, work: Callable[[], object]) -> int:
        """Return the instructions of `work`."""
        self._library.start()
        work()
        self._library.stop()
        self._number += 1
        found = re.search(r"^totals: (\d+)", (self._folder / f"{_COUNTS}.{self._number}").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1])


def is_counted() -> bool:
    """Return whether this process was started by `run_counted`."""
    return _FOLDER in os.environ


def run_counted(module: str, arguments: Sequence[str]) -> None:
    """Run a module in a process that can use `Instructions`.

    Args:
        module: name of the module, as for `python -m`.
        arguments: of its command line.

    Raises:
        SystemExit: valgrind or the C compiler is missing.
        subprocess.CalledProcessError: The library does not compile, or the process fails.
    """
    missing = [name for name in ("valgrind", "cc") if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"counting instructions needs {' and '.join(missing)}: apt-get install valgrind gcc libc6-dev")
    with TemporaryDirectory() as folder:
        library = Path(folder, _LIBRARY)
        compiler = ["cc", "-O2", "-shared", "-fPIC", "-xc", "-", "-o", str(library)]
        subprocess.run(compiler, input=_REQUESTS, text=True, check=True)
        valgrind = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"]
        subprocess.run(
            [*valgrind, f"--callgrind-out-file={folder}/{_COUNTS}", sys.executable, "-m", module, *arguments],
            check=True,
            # Equal hashes, and so the same collisions in dictionaries, in each process; no exporter's thread wakes up.
            env=os.environ
            | {
                _FOLDER: folder,
                "PYTHONHASHSEED": "0",
                "OTEL_BSP_SCHEDULE_DELAY": "3600000",
                "OTEL_METRIC_EXPORT_INTERVAL": "3600000",
            },
        )
