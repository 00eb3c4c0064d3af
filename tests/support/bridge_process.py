"""`otel-dspy bridge` in a separate process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass(frozen=True)
class BridgeProcess:
    """A bridge that listens."""

    process: subprocess.Popen[str]
    http: str
    """Where it takes OTLP/HTTP, `http://127.0.0.1:<port>`."""


@contextmanager
def bridge_process(
    tracking_uri: str,
    experiment: str,
    port: int,
    patience: float = 60,
    errors: int = subprocess.DEVNULL,
    **settings: str,
) -> Generator[BridgeProcess]:
    """A bridge that listens; killed at the end if it is still there.

    :param patience: seconds that a request may wait.
    :param errors: where its standard error goes, as `subprocess.Popen` takes it.
    :param settings: values of more flags, by name in lower case with underscores; without `queue` it acknowledges what
        MLflow has.
    """
    command = [
        sys.executable, "-m", "otel_dspy", "bridge", "--tracking-uri", tracking_uri, "--experiment", experiment,
        "--grpc", f"127.0.0.1:{port}",
    ]  # fmt: skip
    environment = os.environ | {
        "OTEL_DSPY_BRIDGE_HTTP": "127.0.0.1:0",
        "OTEL_DSPY_BRIDGE_PATIENCE": str(patience),
        "OTEL_DSPY_BRIDGE_QUEUE": "none",
    }
    environment |= {f"OTEL_DSPY_BRIDGE_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    try:
        assert process.stdout is not None
        recorded = [process.stdout.readline() for _ in range(3)]
        listening = re.fullmatch(r"OTLP/HTTP on (127\.0\.0\.1:\d+)\n", recorded[0])
        assert listening is not None, recorded
        assert recorded[1:] == [f"OTLP/gRPC on 127.0.0.1:{port}\n", f"to MLflow at {tracking_uri}\n"]
        yield BridgeProcess(process, f"http://{listening[1]}")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
