"""Empty local MLflow stores, copied from a template: creating the tables takes MLflow seconds."""

from __future__ import annotations

import atexit
import functools
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient


def blank_store(folder: Path, name: str = "mlflow.db") -> str:
    """Copy an empty sqlite store into the folder, with its tables created; return its tracking URI.

    Without a server, artifacts are stored below the working folder, unless the experiment has an artifact location.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{shutil.copy(_laid_out(), folder / name)}"


@functools.cache
def _laid_out() -> Path:
    file = Path(tempfile.mkdtemp(prefix="otel-dspy-tests-store-")) / "mlflow.db"
    atexit.register(shutil.rmtree, file.parent, ignore_errors=True)
    MlflowClient(f"sqlite:///{file}").search_experiments()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DELETE FROM experiments")  # the default one, which has an artifact location
    return file
