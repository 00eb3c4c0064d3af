"""Error that ends `mlflow server` with one line instead of a traceback."""

from __future__ import annotations

import click


class UnsupportedServerError(click.ClickException):
    """The installed packages or the server's options do not allow the app. `mlflow server` and uvicorn print it."""
