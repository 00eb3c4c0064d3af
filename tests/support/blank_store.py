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
    """Put an empty sqlite store into the folder, as if whoever opens it first had laid it out; its tracking URI.

    Without a server, artifacts go below the working folder of that one, unless the experiment says otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{shutil.copy(_laid_out(), folder / name)}"


@functools.cache
def _laid_out() -> Path:
    file = Path(tempfile.mkdtemp(prefix="otel-dspy-tests-store-")) / "mlflow.db"
    atexit.register(shutil.rmtree, file.parent, ignore_errors=True)
    MlflowClient(f"sqlite:///{file}").search_experiments()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DELETE FROM experiments")  # of the default one, which says where artifacts go
    return file
