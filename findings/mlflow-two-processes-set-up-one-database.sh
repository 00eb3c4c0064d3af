#!/usr/bin/env bash
# MLflow: processes that open a SQLite store which does not exist yet, at the same time, migrate it side by side, and raise.
#
# Seen on 2026-11-29 with mlflow 3.17.2, CPython 3.11.
# Expected: the workers of a web server, or the processes of a pool, can start together with one tracking URI: one of them
#           creates the database, the others wait for it.
# Seen:     each process finds no tables and runs all of MLflow's migrations on the same file. They meet each other's half
#           done steps: "duplicate column name", "table … already exists", "Online migration expected to match one row".
#           A process that tries again may succeed or not; some of such databases no process opens any more, since a
#           temporary table of a migration stays. MLflow has a file lock for this, which its stores of jobs and workspaces
#           take and those of runs and models do not. A store that one process has opened before has no such problem.
#
# Output seen:
#   3 processes on a new store: some raised
#   3 processes on a store that exists: none raised
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
cat >finding.py <<'PYTHON'
import multiprocessing

from mlflow import MlflowClient

PROCESSES = 3
ROUNDS = 5  # they may miss each other on a machine with a single core


def open_store(uri, together, errors):
    together.wait()
    try:
        MlflowClient(uri).get_experiment("0")
    except Exception as error:
        errors.put(f"{type(error).__name__}: {error}".splitlines()[0])
    else:
        errors.put(None)


def raised(uri):
    context = multiprocessing.get_context("spawn")
    together, errors = context.Barrier(PROCESSES), context.Queue()
    processes = [context.Process(target=open_store, args=(uri, together, errors)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    found = [errors.get() for _ in processes]
    for process in processes:
        process.join()
    return [error for error in found if error is not None]


if __name__ == "__main__":
    new = next((found for number in range(ROUNDS) if (found := raised(f"sqlite:///new-{number}.db"))), [])
    print(f"{PROCESSES} processes on a new store: {'some' if new else 'none'} raised")
    MlflowClient("sqlite:///known.db").get_experiment("0")
    known = raised("sqlite:///known.db")
    print(f"{PROCESSES} processes on a store that exists: {'some' if known else 'none'} raised")
    assert new
    assert not known
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
