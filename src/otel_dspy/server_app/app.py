"""Entry point of the group `mlflow.app`.

`mlflow server` imports this module before it starts its workers, so that missing requirements end the command with one
message. Each worker then calls `create_app`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from otel_dspy.server_app import requirements

requirements.check_command(sys.argv)
requirements.check_installed()

from otel_dspy.server_app.installation import install  # noqa: E402 - imports what is checked above

if TYPE_CHECKING:
    from fastapi import FastAPI


def create_app() -> FastAPI:
    """Return MLflow's own FastAPI app, whose OTLP endpoint also writes otel-dspy's spans as runs.

    Raises:
        UnsupportedServerError: the server's options do not allow it.
    """
    requirements.check_options(os.environ)
    from mlflow.server.fastapi_app import app  # noqa: PLC0415 - sets up MLflow's server, which only a worker needs

    install(app, os.environ)
    return app
