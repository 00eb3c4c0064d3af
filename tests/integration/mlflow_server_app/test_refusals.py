"""What `mlflow server` prints where the app cannot run, before it starts a worker."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.support.blank_store import blank_store
from tests.support.programs import run_program

if TYPE_CHECKING:
    from pathlib import Path


def test_two_apps_end_the_command(tmp_path: Path) -> None:
    """MLflow would run the last app alone, here the one without authentication: one line, exit status 1."""
    ended = run_program(
        "server", "--app-name", "basic-auth", "--app-name", "otel-dspy",
        "--host", "127.0.0.1", "--port", "1", "--backend-store-uri", blank_store(tmp_path),
        module="mlflow", folder=tmp_path, environment=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    )  # fmt: skip
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (
        1,
        (
            "Error: --app-name otel-dspy cannot be combined with --app-name basic-auth: `mlflow server` runs the last of them "
            "alone. Set OTEL_DSPY_SERVER_APP_BASE=basic-auth and omit --app-name basic-auth."
        ),
    )
