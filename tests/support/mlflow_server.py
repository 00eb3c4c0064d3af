"""An `mlflow server` process on a free loopback port."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.interpreters import INTERPRETER_START
from tests.support.programs import ROOT, Program
from tests.support.session_processes import claim

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from tests.support.programs import Running

WITH_APP = ("--app-name", "otel-dspy", "--uvicorn-opts", "--timeout-worker-healthcheck 120")
"""Options of a server that also writes otel-dspy's spans. uvicorn kills a worker that does not answer it for 5 s."""
READY_TIMEOUT = 120.0
"""Seconds to wait for the first healthy answer; a cold import of MLflow on a loaded machine takes tens."""

STOP_TIMEOUT = 15.0
"""Seconds between asking the server to stop and killing it."""

_LOWEST_PORT: Final = 20_000
_LOWEST_EPHEMERAL_PORT: Final = 32_768
"""Default of Linux (`net.ipv4.ip_local_port_range`); macOS begins at 49,152."""


@dataclass(frozen=True)
class MlflowServer:
    """A server that answers."""

    uri: str
    """Tracking URI, `http://127.0.0.1:<port>`."""
    log: Path
    """What the server wrote to its standard output and error."""
    group: int
    """Process group of the server and its workers, for a test that kills them."""


def free_port() -> int:
    """Return a free TCP port of the loopback interface.

    It is below those that Linux and macOS give to outgoing connections, one of which could have it before the server.
    No other call of the session returns it: a server may start there later, or be away for a while.
    """
    while True:
        port = _LOWEST_PORT + secrets.randbelow(_LOWEST_EPHEMERAL_PORT - _LOWEST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if claim("ports", str(port)):
            return port


@contextmanager
def mlflow_server(
    folder: Path,
    *,
    port: int | None = None,
    backend: str | None = None,
    options: tuple[str, ...] = (),
    forked: bool = True,
) -> Generator[MlflowServer]:
    """Start a server, see `start_mlflow_server`; stop it and all its workers at the end."""
    process, server = start_mlflow_server(folder, port=port, backend=backend, options=options, forked=forked)
    try:
        yield server
    finally:
        _stop(process)


def start_mlflow_server(
    folder: Path,
    *,
    port: int | None = None,
    backend: str | None = None,
    options: tuple[str, ...] = (),
    forked: bool = True,
) -> tuple[Running, MlflowServer]:
    """Start a server with its files under `folder`, in a process group of its own, and wait until it is healthy.

    :param port: the port to listen on; a free one by default. Name it to start a server again where one was.
    :param backend: `--backend-store-uri`; a sqlite file in `folder` by default, kept from one start to the next.
    :param options: more options, which have precedence: `--app-name`, `--workers`, `--enable-workspaces`.
    :param forked: in one process, a fork of an interpreter that has imported MLflow, see `Program`; of several
        workers the first is an interpreter of its own still. Benchmarks, and tests of the command, start it as a user does.
    :raises RuntimeError: if the server ends or is not healthy within `READY_TIMEOUT`; the text holds its log.
    """
    from tests.support.blank_store import blank_store  # noqa: PLC0415 - it imports MLflow, which takes seconds

    folder.mkdir(parents=True, exist_ok=True)
    if backend is None and not (folder / "mlflow.db").exists():
        blank_store(folder)
    port = port or free_port()
    log = folder / f"server-{port}.log"
    arguments = [
        "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", backend or f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"), *options,
    ]  # fmt: skip
    # LITELLM_LOCAL_MODEL_COST_MAP: without internet the server may hang while litellm fetches its price list.
    environment = os.environ | {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OTEL_DSPY_BRIDGE_PATIENCE": "100",  # of `--app-name otel-dspy`: the machine may be busy
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # a process more that only eats time here
    }
    process = start_server(log, arguments=arguments, environment=environment, forked=forked)
    try:
        uri = f"http://127.0.0.1:{port}"
        _await_healthy(uri, process, log)
    except BaseException:
        _stop(process)
        raise
    return process, MlflowServer(uri, log, process.pid)


def start_server(log: Path, *, arguments: Sequence[str], environment: Mapping[str, str], forked: bool) -> Running:
    """Start `mlflow` with these arguments, in the folder of its log and in a session of its own, with its workers."""
    with log.open("ab") as output:
        if forked:
            return Program(
                *arguments, module="tests.support.forked_mlflow_server", folder=log.parent,
                environment={**environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{INTERPRETER_START}"},
                stdout=output, stderr=output, session=True,
            )  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "mlflow", *arguments], stdout=output, stderr=output, env=environment,
            cwd=log.parent, start_new_session=True,
        )  # fmt: skip


def _await_healthy(uri: str, process: Running, log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=2) as answer:  # noqa: S310 - always http on loopback
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    message = f"mlflow server was not healthy (exit code {process.poll()}):\n{log.read_text(errors='replace')[-4000:]}"
    raise RuntimeError(message)


def _stop(process: Running) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        try:
            process.wait(STOP_TIMEOUT)
        except (subprocess.TimeoutExpired, TimeoutError):
            continue
        if sign is signal.SIGTERM:
            # The parent has ended; a worker that outlived it must not keep the port.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return
