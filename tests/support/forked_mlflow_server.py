"""`mlflow server` in one process, for a fork of an interpreter that has imported MLflow, see `tests.support.mlflow_server`.

python -m tests.support.forked_mlflow_server server --host …

The command would start `python -m uvicorn` as a process of its own. Flask's answers come as a whole: MLflow passes each
part from a thread to the event loop and on through a stream, a fifth of the processor time of a small request.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _pass_whole_answers() -> None:
    """Replace what passes a request to Flask; the server's environment must be set, as its application is imported."""
    application: Any = importlib.import_module("mlflow.server.fastapi_app")
    to_thread: Any = importlib.import_module("anyio.to_thread")
    build_environ: Any = importlib.import_module("starlette.middleware.wsgi").build_environ

    async def respond(self: Any, receive: Any, send: Any) -> None:
        chunks: list[bytes] = []
        more = True
        while more:
            message = await receive()
            chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
        environ = build_environ(self.scope, b"".join(chunks))
        start: dict[str, Any] = {}

        def start_response(status: str, headers: Sequence[tuple[str, str]], _: object = None) -> None:
            start["status"] = int(status.split(" ", 1)[0])
            start["headers"] = [(name.strip().lower().encode(), value.strip().encode()) for name, value in headers]

        body = await to_thread.run_sync(lambda: b"".join(self.app(environ, start_response)))
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": body})

    application._EfficientWSGIResponder.__call__ = respond


def _serve(command: Sequence[str], *, extra_env: Mapping[str, str], **_: object) -> None:
    """Do what `python -m uvicorn …` would do."""
    os.environ.update(extra_env)
    _pass_whole_answers()
    uvicorn: Any = importlib.import_module("uvicorn")
    uvicorn.main(command[3:])


if __name__ == "__main__":
    importlib.import_module("uvicorn")  # the flask app is protected if it is there before mlflow.server
    server: Any = importlib.import_module("mlflow.server")
    server._exec_cmd = _serve
    sys.argv[0] = "mlflow"
    runpy.run_module("mlflow", run_name="__main__", alter_sys=True)
