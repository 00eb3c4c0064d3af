"""Empty local MLflow stores, copied from a template: creating the tables takes MLflow seconds."""

from __future__ import annotations

import functools
import getpass
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from tests.support.fork_server import read_migrations_once, share_statements
from tests.support.temporary_folders import ON_DISK

read_migrations_once()
share_statements()


def blank_store(folder: Path, name: str = "mlflow.db") -> str:
    """Copy an empty sqlite store into the folder, with its tables created; return its tracking URI.

    Without a server, artifacts are stored below the working folder, unless the experiment has an artifact location.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{shutil.copy(_laid_out(), folder / name)}"


def store_with_experiment(folder: Path, name: str) -> str:
    """Copy an empty store into the folder, with an experiment; return its tracking URI.

    Args:
        folder: the artifacts are below it, in `artifacts`.
        name: the experiment's name.
    """
    uri = blank_store(folder)
    MlflowClient(uri).create_experiment(name, artifact_location=(folder / "artifacts").as_uri())
    return uri


@functools.cache
def _laid_out() -> Path:
    """The template of the installed MLflow version: kept for the next process and the next run of the tests."""
    folder = ON_DISK / f"otel-dspy-tests-store-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    template = folder / f"mlflow-{mlflow.__version__}.db"
    if not template.exists():
        with tempfile.TemporaryDirectory(dir=folder) as own:
            file = Path(own) / "mlflow.db"
            MlflowClient(f"sqlite:///{file}").search_experiments()
            with closing(sqlite3.connect(file)) as database, database:
                database.execute("DELETE FROM experiments")  # the default one, which has an artifact location
            file.replace(template)  # at once: another process may be doing the same
    return template
