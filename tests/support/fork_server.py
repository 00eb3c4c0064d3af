"""Runs programs in forks of an interpreter that has imported DSPy, MLflow and otel-dspy, since these imports take seconds.

python tests/support/fork_server.py SOCKET

A fork has the request's folder, environment, arguments and standard streams, and a `__main__` of its own. It ends as an
interpreter ends, except that modules are not taken down, see `run_to_the_end`. It imports nothing of the tests, and
neither does this file: what a program uses of them is imported by the program. See `tests.support.programs` for the
other side.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import types
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PRELOADED: Final = (
    *("dspy", "mlflow", "litellm", "mlflow.store.tracking.sqlalchemy_store", "mlflow.dspy"),
    *("fastapi", "flask", "graphene"),  # of MLflow's server, which reads its environment on import
    # What MLflow, DSPy, litellm and reports import when they are used first:
    *("git", "optuna", "scipy.stats", "mlflow.utils.providers", "mlflow.store.tracking.file_store"),
    *("dspy.clients.execution", "dspy.clients.disk_serialization", "dspy.clients.costs", "openai.resources.chat"),
    *("dspy.teleprompt.grpo", "dspy.teleprompt.reanchor", "dspy.utils.dummies"),
)
NOT_PRELOADED: Final = ("otel_dspy.__main__", "otel_dspy.demo.", "otel_dspy.mlflow_server_app.")
"""Begin the names of our modules that run something, load the model's engine, or MLflow's server."""
STREAMS: Final = 3
"""Descriptors that come with a request at most: standard input, or the server's own without it, output and error."""
GC_THRESHOLDS: Final = (400_000, 20, 100)
"""With the interpreter's, 700 objects, a seventh of the unit tests' time goes to collections, with 50,000 a twentieth."""
HEADER_BYTES: Final = 8
"""Length of a request's JSON, big-endian, before it."""


def ask(address: str, request: dict[str, Any], streams: Sequence[int]) -> socket.socket:
    """Let the server of this address fork.

    Args:
        address: of its socket.
        request: what `become` and `run` read.
        streams: the descriptors of its standard streams, the input may be missing.

    Returns:
        A connection on which it reports a line with the process id, and one with the exit code at the end.
    """
    body = json.dumps(request).encode()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    socket.send_fds(connection, [len(body).to_bytes(HEADER_BYTES)], streams)
    connection.sendall(body)
    return connection


def preload() -> None:
    """Import what programs import, as far as it can be imported: environments of old versions lack some of it."""
    package = importlib.import_module("otel_dspy")
    own = [found.name for found in pkgutil.walk_packages(package.__path__, "otel_dspy.")]
    for module in (*PRELOADED, *(name for name in own if not name.startswith(NOT_PRELOADED))):
        with suppress(ImportError):
            importlib.import_module(module)


def read_migrations_once() -> None:
    """Let MLflow look for the newest version of its tables once, not for each store: it runs all its migration modules."""
    utils: Any = importlib.import_module("mlflow.store.db.utils")
    utils._get_latest_schema_revision = functools.cache(utils._get_latest_schema_revision)
    utils._get_latest_schema_revision()


def share_statements() -> None:
    """Let MLflow's SQLite stores share what SQLAlchemy has compiled: each engine would compile each statement again."""
    utils: Any = importlib.import_module("mlflow.store.db.utils")
    create = utils.create_sqlalchemy_engine
    if hasattr(create, "__wrapped__"):  # in a fork of a server that has done it
        return
    first = create("sqlite://")
    first.connect().close()  # which completes its dialect
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of MLflow's mapping
        importlib.import_module("sqlalchemy.orm").configure_mappers()

    @functools.wraps(create)
    def created(uri: str) -> Any:
        engine = create(uri)
        if type(engine.dialect) is type(first.dialect):
            # Statements are kept by their dialect, in a cache of the engine and in one of each table's mapper.
            engine.dialect = engine.pool._dialect = first.dialect
            engine._compiled_cache = first._compiled_cache
        return engine

    utils.create_sqlalchemy_engine = created


def serve(address: str) -> dict[str, Any]:
    """Fork for each request; return in the fork, with the request.

    A fork is a child of the server's, which reports its end: one more process in between would copy all page tables once
    more, which takes as long as the rest of a short program.
    """
    running: dict[int, socket.socket] = {}
    ended, signaled = os.pipe()
    for end in (ended, signaled):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(signaled)
    signal.signal(signal.SIGCHLD, _noted)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        os.write(1, b"ready\n")
        while True:
            ready, _, _ = select.select([listener, ended], [], [])
            if ended in ready:
                os.read(ended, 4096)
                _report_ended(running)
            if listener not in ready:
                continue
            connection, _ = listener.accept()
            header, streams, _, _ = socket.recv_fds(connection, HEADER_BYTES, STREAMS)
            with connection.makefile("rb") as received:
                request = json.loads(received.read(int.from_bytes(header)))
            program = os.fork()
            if program == 0:
                signal.set_wakeup_fd(-1)
                for place, stream in enumerate(streams, STREAMS - len(streams)):
                    os.dup2(stream, place)
                    os.close(stream)
                for end in (ended, signaled):
                    os.close(end)
                for inherited in (connection, *running.values()):
                    inherited.close()
                return request
            running[program] = connection
            _report(connection, program)
            for stream in streams:
                os.close(stream)


def _noted(_number: int, _frame: object) -> None:
    """A handler, so that the signal is written to the pipe."""


def _report_ended(running: dict[int, socket.socket]) -> None:
    """Report the statuses of forks that have ended."""
    with suppress(ChildProcessError):  # none is left
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            program, status = ended
            if program in running:  # what a module has started while it was imported is not
                with running.pop(program) as connection:
                    _report(connection, os.waitstatus_to_exitcode(status))


def _report(connection: socket.socket, number: int) -> None:
    """Send a process id or an exit code."""
    with suppress(OSError):  # whoever asked has gone
        connection.sendall(f"{number}\n".encode())


def become(request: dict[str, Any]) -> None:
    """Set up what an interpreter sets up before it runs a program."""
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()
    for name in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(name, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["session"]:
        os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    first = str(Path(request["file"]).parent) if "file" in request else ""
    more = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [first, *more, *sys.path[1:]]
    sys.argv[:] = [request.get("file", "-c"), *request["arguments"]]
    tempfile.tempdir = None  # `TMPDIR` is read once
    if not request["progress_bars"]:  # tqdm reads `TQDM_DISABLE` on import
        bar = sys.modules["tqdm"].tqdm
        bar.__init__ = functools.partialmethod(bar.__init__, disable=True)
    identity = sys.modules.get("otel_dspy.mlflow.tracking.state.process_identity")
    if identity is not None:
        del vars(identity)["_own"][:-1]  # the server, which lives on, has no part in what the program records
    if "DSPY_CACHEDIR" in os.environ:  # read by DSPy on import
        sys.modules["dspy"].configure_cache(disk_cache_dir=os.environ["DSPY_CACHEDIR"])


def run(request: dict[str, Any]) -> None:
    """Run it as `__main__`."""
    if "module" in request:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        return
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if "file" in request:
        main.__file__ = request["file"]
    text = request["text"] if "text" in request else Path(request["file"]).read_text(encoding="utf-8")
    exec(compile(text, request.get("file", "<string>"), "exec"), main.__dict__)  # noqa: S102 - a test's program


def run_to_the_end(request: dict[str, Any]) -> None:
    """Run it, wait for its threads, call what is registered with `atexit`, flush its streams, and end the process.

    An interpreter would take down its modules then. In a fork that copies the memory of all that is preloaded: a quarter
    of a second for each program. An error other than `SystemExit` with a number is left to the interpreter.
    """
    status: object = None
    try:
        run(request)
    except SystemExit as error:
        status = error.code
        if not isinstance(status, int | None):
            raise
    wait_for_threads: Any = vars(threading)["_shutdown"]  # the stubs do not have it
    wait_for_threads()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    this = sys.modules["__main__"]  # or its names would be gone when another takes its place
    gc.disable()  # what imports leave is no garbage: `become` enables it
    preload()
    read_migrations_once()
    share_statements()
    gc.collect()
    gc.freeze()
    program = serve(sys.argv[1])
    become(program)
    run_to_the_end(program)
