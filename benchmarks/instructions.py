"""Counts of what Python code makes a processor do, which other work on the machine does not change.

Instructions, and misses of a simulated first-level data cache and wrong predictions of a simulated branch predictor.

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
EVENTS: Final = {
    "instructions": ("Ir",),
    "misses": ("D1mr", "D1mw"),
    "mispredictions": ("Bcm", "Bim"),
}
"""What can be counted -> callgrind's events."""
_SIMULATED: Final = ("--cache-sim=yes", "--branch-sim=yes")
_LIBRARY: Final = "requests.so"
_COUNTS: Final = "counts"


class Counter:
    """Counts events of all threads of this process, which `run_counted` has started.

    Args:
        counted: a key of `EVENTS`.
    """

    def __init__(self, counted: str) -> None:
        self._events = EVENTS[counted]
        self._folder = Path(os.environ[_FOLDER])
        self._library = ctypes.CDLL(str(self._folder / _LIBRARY))
        self._number = 0

    def count(self, work: Callable[[], object]) -> int:
        """Return the number of events in `work`."""
        self._library.start()
        work()
        self._library.stop()
        self._number += 1
        text = (self._folder / f"{_COUNTS}.{self._number}").read_text()
        names, totals = (
            found[1].split() for label in ("events", "totals") for found in re.finditer(rf"(?m)^{label}: (.+)$", text)
        )
        counts = dict(zip(names, map(int, totals), strict=False))  # zeros at the end are left out
        return sum(counts.get(event, 0) for event in self._events)


def is_counted() -> bool:
    """Return whether this process was started by `run_counted`."""
    return _FOLDER in os.environ


def run_counted(module: str, arguments: Sequence[str], counted: str) -> None:
    """Run a module in a process that can use `Counter`.

    Args:
        counted: a key of `EVENTS`.
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
        simulated = () if counted == "instructions" else _SIMULATED
        valgrind = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", *simulated]
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
