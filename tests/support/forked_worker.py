"""Replaces the interpreter of a worker: `worker_server` forks one with this process's program, environment and streams.

python tests/support/forked_worker.py SOCKET -u -c PROGRAM
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from fork_server import ask

if __name__ == "__main__":
    wanted: dict[str, Any] = {
        "text": sys.argv[-1],
        "arguments": [],
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
        "session": False,
        "progress_bars": True,
    }
    with ask(sys.argv[1], wanted, (0, 1, 2)) as connection, connection.makefile() as reports:
        for stream in (0, 1):
            os.close(stream)  # only the worker may hold them, so that its end closes them
        reports.readline()
        sys.exit(int(reports.readline()))
