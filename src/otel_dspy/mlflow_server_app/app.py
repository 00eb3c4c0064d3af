"""Entry point of the group `mlflow.app`.

`mlflow server` imports this module before it starts its workers, so that missing requirements end the command with one
message. Each worker then calls `create_app`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from otel_dspy.mlflow_server_app import requirements

requirements.check_command(sys.argv)
requirements.check_installed()

from otel_dspy.mlflow_server_app import base_app  # noqa: E402 - imports what is checked above
from otel_dspy.mlflow_server_app.middleware_installation import install  # noqa: E402 - as above

base_app.prepare(os.environ)

if TYPE_CHECKING:
    from starlette.applications import Starlette


def create_app() -> Starlette:
    """Return MLflow's own FastAPI app, whose OTLP endpoint also writes otel-dspy's spans as runs.

    Raises:
        UnsupportedServerError: the server's options do not allow it.
    """
    requirements.check_options(os.environ)
    app = base_app.create(os.environ)
    install(app, os.environ)
    return app
