"""OpenTelemetry Collector processes that a test may kill and restart."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "collector"
"""Its configurations."""
READY: Final = 120.0
"""Seconds to wait for the first healthy answer."""


def binary() -> Path | None:
    """What `OTELCOL` names, else what `make collector` builds; None if there is neither."""
    found = Path(os.environ.get("OTELCOL") or ROOT / ".tools" / "collector" / "otelcol-dspy")
    return found if found.is_file() else None


needs_collector = pytest.mark.skipif(
    binary() is None, reason="there is no Collector: `make collector` builds it with Go, or OTELCOL names one"
)


class Collector:
    """A Collector of one configuration, on ports of its own, that may live several times."""

    def __init__(
        self, config: Path, folder: Path, environment: Mapping[str, str], overrides: Sequence[str] = ()
    ) -> None:
        """Create it.

        Args:
            config: its configuration.
            folder: for its queue and its log.
            environment: what the configuration reads; addresses to listen on are added.
            overrides: further `--config` arguments, such as `yaml:exporters::debug::verbosity: basic`.
        """
        self.grpc = f"127.0.0.1:{free_port()}"
        self.http = f"127.0.0.1:{free_port()}"
        self._health = f"127.0.0.1:{free_port()}"
        metrics_port = free_port()
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        self.log = folder / "collector.log"
        self.queue = folder / "queue"
        self._command = [str(binary()), *(f"--config={one}" for one in (config, *overrides))]
        self._environment = os.environ | {
            "OTELCOL_GRPC": self.grpc,
            "OTELCOL_HTTP": self.http,
            "OTELCOL_HEALTH": self._health,
            "OTELCOL_METRICS_PORT": str(metrics_port),
            "OTELCOL_QUEUE_DIR": str(self.queue),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def change(self, **environment: str) -> None:
        """Let the configuration read other values from its next start on."""
        self._environment = {**self._environment, **environment}

    def validate(self) -> None:
        """Let the Collector read its configuration, no more.

        Raises:
            AssertionError: the configuration is invalid; the message contains the reason.
        """
        command = [self._command[0], "validate", *self._command[1:]]
        found = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            RuntimeError: it ends or is not ready in time; the text holds its log.
        """
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT, env=self._environment
            )
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://{self._health}/", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"the Collector is not ready:\n{self.log.read_text(errors='replace')[-4000:]}")

    def count(self, metric: str, *labels: str) -> float:
        """The sum of one of its own metrics, a counter, over the series with these labels, such as `sampled="true"`."""
        with urllib.request.urlopen(self._metrics, timeout=READY) as answer:  # noqa: S310 - always http on loopback
            lines = answer.read().decode().splitlines()
        found = [
            line
            for line in lines
            if re.match(rf"{metric}(_total)?[{{ ]", line) and all(label in line for label in labels)
        ]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def kill(self) -> None:
        """`kill -9`, if it runs."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator would, if it runs."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(READY)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@contextmanager
def running_collector(
    config: Path, folder: Path, environment: Mapping[str, str], overrides: Sequence[str] = ()
) -> Generator[Collector]:
    """A Collector that was found valid, for as long as the block lasts."""
    collector = Collector(config, folder, environment, overrides)
    collector.validate()
    try:
        collector.start()
        yield collector
    finally:
        collector.kill()
