"""`mlflow server` in one process and its workers, for a fork of an interpreter that has imported MLflow.

See `tests.support.mlflow_server`.

python -m tests.support.forked_mlflow_server server --host …

The command would start `python -m uvicorn`, or `python -m gunicorn` in old versions, as a process of its own.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _serve(command: Sequence[str], *, extra_env: Mapping[str, str], **_: object) -> None:
    """Do what `python -m uvicorn …` or `python -m gunicorn …` would do."""
    os.environ.update(extra_env)
    module, arguments = command[2], command[3:]
    sys.argv = [module, *arguments]
    if module == "uvicorn":
        # Of several workers each is an interpreter of its own, as for a user: it imports this module, not MLflow's command.
        sys.modules["__main__"] = importlib.import_module("uvicorn.__main__")
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
