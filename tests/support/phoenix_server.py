"""Phoenix server in a separate environment (`make phoenix`), and a reader that uses Phoenix's client."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = ROOT / ".tools" / "phoenix" / "bin" / "python"
READY: Final = 300.0
"""Seconds to wait for the first healthy answer; a cold import on a loaded machine takes tens."""

INSTALLED: Final = (PYTHON.parents[1] / ".installed").is_file()
needs_phoenix = pytest.mark.skipif(not INSTALLED, reason="there is no Phoenix: `make phoenix` installs it")


@dataclass(frozen=True)
class Phoenix:
    """One that answers."""

    url: str
    """`http://127.0.0.1:<port>`; spans go to `/v1/traces` there."""

    def read(self, projects: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
        """What `tests/support/phoenix_readout.py` prints of these projects, when they are whole."""
        script = Path(__file__).with_name("phoenix_readout.py")
        command = [str(PYTHON), str(script), self.url, json.dumps(projects)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=READY, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@contextmanager
def running_phoenix(folder: Path) -> Generator[Phoenix]:
    """Start a server, see `start_phoenix`; stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    process, facts = start_phoenix(folder)
    try:
        yield Phoenix(facts["url"])
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_phoenix(folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start a server with an empty sqlite store in the folder, in a process group of its own; it and its `url`.

    Raises:
        RuntimeError: it ends or does not answer in time; the text holds its log.
    """
    port, log = free_port(), folder / "phoenix.log"
    environment = os.environ | {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        # It asks no host for anything.
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
        "PHOENIX_ENABLE_MCP_SERVER": "false",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(PYTHON.with_name("phoenix")), "serve"],
            stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _await_healthy(url, process, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process, {"url": url}


def _await_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2):  # noqa: S310 - always http on loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"Phoenix is not ready:\n{log.read_text(errors='replace')[-4000:]}")
