"""Lets pytest-xdist start its workers as forks of one process, see `tests.support.worker_server`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.programs import ROOT, Program
from tests.support.session_processes import session_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

_WORKER = Path(__file__).with_name("forked_worker.py")


def fork_workers(config: pytest.Config, specifications: Sequence[Any]) -> None:
    """Change what execnet starts, where more workers than processors would import the tests.

    Args:
        config: of the process that starts the workers.
        specifications: one of execnet's for each worker.
    """
    if len(specifications) <= (os.cpu_count() or 1):
        return

    def start(folder: Path) -> tuple[Program, dict[str, Any]]:
        address = str(folder / "socket")
        # Killed at the end, it removes no files: they are below the session's folder.
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
        reading, writing = os.pipe()
        with os.fdopen(reading) as output, (folder / "log").open("wb") as log:
            with os.fdopen(writing, "wb") as stdout:
                server = Program(
                    address, *config.args, module="tests.support.worker_server", folder=config.invocation_params.dir,
                    environment=environment, stdout=stdout, stderr=log, session=True, progress_bars=True,
                )  # fmt: skip
            assert "ready\n" in output, (folder / "log").read_text()[-4000:]
        return server, {"address": address}

    address = session_process("workers", start)["address"]
    for specification in specifications:
        specification.python = f"{sys.executable} {_WORKER} {address}"
