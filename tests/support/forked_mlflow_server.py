"""`mlflow server` in one process and its workers, for a fork of an interpreter that has imported MLflow.

See `tests.support.mlflow_server`.

python -m tests.support.forked_mlflow_server server --host …

The command would start `python -m uvicorn`, or `python -m gunicorn` in old versions, as a process of its own.
"""

from __future__ import annotations

import importlib
import itertools
import multiprocessing
import os
import runpy
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class _Processes:
    """What uvicorn starts its workers with: the first one is spawned, as for a user, the others are forked."""

    def __init__(self) -> None:
        self._started = itertools.count()

    def Process(self, **how: Any) -> Any:  # noqa: N802 - a context of multiprocessing
        """The next one."""
        context: Any = multiprocessing.get_context("fork" if next(self._started) else "spawn")
        return context.Process(**how)


def _serve(command: Sequence[str], *, extra_env: Mapping[str, str], **_: object) -> None:
    """Do what `python -m uvicorn …` or `python -m gunicorn …` would do."""
    os.environ.update(extra_env)
    module, arguments = command[2], command[3:]
    sys.argv = [module, *arguments]
    if module == "uvicorn":
        # Of several workers the first is an interpreter of its own: it imports this module, not MLflow's command. The
        # imports of each further one would take seconds and prove nothing new.
        sys.modules["__main__"] = importlib.import_module("uvicorn.__main__")
        subprocesses: Any = importlib.import_module("uvicorn._subprocess")
        subprocesses.spawn = _Processes()
        uvicorn: Any = importlib.import_module("uvicorn")
        uvicorn.main(arguments)
        return
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    importlib.import_module("uvicorn")  # the flask app is protected if it is there before mlflow.server
    server: Any = importlib.import_module("mlflow.server")
    server._exec_cmd = _serve
    sys.argv[0] = "mlflow"
    runpy.run_module("mlflow", run_name="__main__", alter_sys=True)
