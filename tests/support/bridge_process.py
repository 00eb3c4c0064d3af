"""`otel-dspy bridge` in a separate process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.programs import Running


@dataclass(frozen=True)
class BridgeProcess:
    """A bridge that listens."""

    process: Running
    output: IO[str]
    """The rest of its standard output."""
    http: str
    """Where it takes OTLP/HTTP, `http://127.0.0.1:<port>`."""


@contextmanager
def bridge_process(  # noqa: PLR0913 - flags of the command, by keyword
    tracking_uri: str,
    experiment: str,
    port: int,
    patience: float = 60,
    *,
    errors: IO[Any] | None = None,
    forked: bool = True,
    **settings: str,
) -> Generator[BridgeProcess]:
    """A bridge that listens; killed at the end if it is still there.

    Args:
        tracking_uri: of the MLflow that it writes to.
        experiment: of spans that name none.
        port: of OTLP/gRPC.
        patience: seconds that a request may wait.
        errors: where its standard error goes; nowhere by default.
        forked: whether it runs in a fork of an interpreter that has imported MLflow, see `Program`; benchmarks and the
            tests of the command start an interpreter.
        settings: values of more flags, by name in lower case with underscores; without `queue` it acknowledges what
            MLflow has.
    """
    arguments = ("bridge", "--tracking-uri", tracking_uri, "--experiment", experiment, "--grpc", f"127.0.0.1:{port}")
    environment = os.environ | {
        "OTEL_DSPY_BRIDGE_HTTP": "127.0.0.1:0",
        "OTEL_DSPY_BRIDGE_PATIENCE": str(patience),
        "OTEL_DSPY_BRIDGE_QUEUE": "none",
    }
    environment |= {f"OTEL_DSPY_BRIDGE_{name.upper()}": value for name, value in settings.items()}
    reading, writing = os.pipe()
    with os.fdopen(reading) as output:
        with os.fdopen(writing, "wb") as stdout, Path(os.devnull).open("wb") as nowhere:
            streams: dict[str, Any] = {"stdout": stdout, "stderr": errors or nowhere}
            process: Running = (
                Program(*arguments, module="otel_dspy", environment=environment, **streams)
                if forked
                else subprocess.Popen([sys.executable, "-m", "otel_dspy", *arguments], env=environment, **streams)
            )
        try:
            recorded = [output.readline() for _ in range(3)]
            listening = re.fullmatch(r"OTLP/HTTP on (127\.0\.0\.1:\d+)\n", recorded[0])
            assert listening is not None, recorded
            assert recorded[1:] == [f"OTLP/gRPC on 127.0.0.1:{port}\n", f"to MLflow at {tracking_uri}\n"]
            yield BridgeProcess(process, output, f"http://{listening[1]}")
        finally:
            process.kill()
            process.wait(60)
