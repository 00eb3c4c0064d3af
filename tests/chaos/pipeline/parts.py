"""Components of a production pipeline, each a process that can be killed, suspended or restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.collectors import ROOT
from tests.support.mlflow_server import free_port, start_server
from tests.support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from tests.support.programs import Running

S3: Final = ROOT / ".tools" / "go" / "versitygw"
"""An S3 server that keeps objects as files: `make test` builds it with Go."""
READY: Final = 120.0
"""Seconds to wait for the first healthy answer; a cold import of MLflow on a loaded machine takes tens."""
BUCKET: Final = "mlflow"
_KEYS: Final = {
    "AWS_ACCESS_KEY_ID": "mlflow",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class Part:
    """A server that may live several times, on the same port."""

    def __init__(self, name: str, health: str, run: Callable[[Path], Running]) -> None:
        """Create it.

        Args:
            name: of its log.
            health: a URL that answers 200 once it is ready, or anything at all if it ends with `/`.
            run: starts it in a session of its own, so that its workers are killed with it; gets the file of its log.
        """
        self.log = Path(f"{name}.log").resolve()
        self._health = health
        self._run = run
        self._process: Running | None = None

    def start(self) -> None:
        """Start it."""
        self._process = self._run(self.log)

    def await_ready(self) -> None:
        """Wait until it answers.

        Raises:
            RuntimeError: it ends or does not answer in time; the text holds its log.
        """
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self._health, timeout=2):  # noqa: S310 - always http on loopback
                    return
            except urllib.error.HTTPError:
                if self._health.endswith("/"):
                    return
                time.sleep(0.1)
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"{self.log.stem} is not ready:\n{self.log.read_text(errors='replace')[-4000:]}")

    def signal(self, number: signal.Signals) -> None:
        """Send it and its workers a signal."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """`kill -9`, its workers too."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(60)


def s3(folder: Path) -> tuple[Part, dict[str, str]]:
    """An S3 server with MLflow's bucket; what its clients' environment must hold."""
    port = free_port()
    (folder / "objects" / BUCKET).mkdir(parents=True)
    (folder / "sidecar").mkdir()
    command = [S3, "--port", f"127.0.0.1:{port}", "posix", "--sidecar", folder / "sidecar", folder / "objects"]
    keys = {"ROOT_ACCESS_KEY_ID": _KEYS["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_ACCESS_KEY": _KEYS["AWS_SECRET_ACCESS_KEY"]}
    address = f"http://127.0.0.1:{port}"

    def run(log: Path) -> Running:
        with log.open("ab") as output:
            return subprocess.Popen(
                command, stdout=output, stderr=output, env=os.environ | keys, cwd=folder, start_new_session=True
            )

    return Part(str(folder / "s3"), f"{address}/", run), {**_KEYS, "MLFLOW_S3_ENDPOINT_URL": address}


def mlflow(folder: Path, database: str, s3_environment: Mapping[str, str]) -> tuple[Part, str]:
    """An MLflow server on a database and on S3; its tracking URI."""
    uri = f"http://127.0.0.1:{free_port()}"
    arguments = [
        "server", "--host", "127.0.0.1", "--port", uri.rpartition(":")[2],
        "--workers", "1", "--backend-store-uri", database, "--artifacts-destination", f"s3://{BUCKET}/artifacts",
    ]  # fmt: skip
    environment = {**os.environ, **s3_environment, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    run = partial(start_server, arguments=arguments, environment=environment, forked=True)
    return Part(str(folder / "mlflow"), f"{uri}/health", run), uri


class BridgePart(Part):
    """`otel-dspy bridge`."""

    def __init__(
        self, folder: Path, name: str, tracking_uri: str, experiment: str, *flags: str, queue: bool = False
    ) -> None:
        self.grpc = f"127.0.0.1:{free_port()}"
        self._http = f"127.0.0.1:{free_port()}"
        arguments = [
            "bridge", "--tracking-uri", tracking_uri, "--experiment", experiment, "--grpc", self.grpc,
            "--http", self._http, "--queue", str(folder / f"{name}-queue") if queue else "none", *flags,
        ]  # fmt: skip
        environment = dict(os.environ)

        def run(log: Path) -> Running:
            with log.open("ab") as output:
                return Program(
                    *arguments, module="otel_dspy", folder=folder, environment=environment, stdout=output,
                    stderr=output, session=True,
                )  # fmt: skip

        super().__init__(str(folder / name), f"http://{self._http}/healthz", run)

    def counts(self) -> dict[str, float]:
        """Its metrics, by name and labels; nothing if it does not live."""
        try:
            with urllib.request.urlopen(f"http://{self._http}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return {}
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


@contextmanager
def alive(*parts: Part) -> Generator[None]:
    """Start parts side by side; kill them at the end."""
    try:
        for part in parts:
            part.start()
        for part in parts:
            part.await_ready()
        yield
    finally:
        for part in parts:
            part.signal(signal.SIGCONT)
            part.kill()
