"""`autolog` where Python lacks the functions of Unix, as on Windows: forks, file locks, flags of `open`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

UNIX_ALONE: Final = (
    "fork", "forkpty", "register_at_fork", "getpgid", "killpg", "fchmod", "sysconf", "getuid", "geteuid", "uname",
    "pread", "pwrite", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "WNOHANG", "fdatasync", "nice", "getpriority",
    "sched_getaffinity", "getloadavg",
)  # fmt: skip
PROGRAM: Final = """
import asyncio, json, logging, multiprocessing, os, platform, subprocess, sys, tempfile, time

import alembic, dspy, mlflow, optuna, sqlalchemy
import mlflow.genai, mlflow.store.db.utils  # libraries that look at the system when they are imported

names, uri = json.loads(sys.argv[1]), sys.argv[2]
for name in names:
    if hasattr(os, name):
        delattr(os, name)
sys.modules |= dict.fromkeys(("fcntl", "resource", "pwd", "grp", "termios"))  # an import raises

logging.basicConfig(level=logging.WARNING)
import otel_dspy.mlflow
from tests.support.optimizers import Rounds
from tests.support.addition_task import exact, examples, addition_lm

mlflow.set_tracking_uri(uri)
otel_dspy.mlflow.autolog(experiment="sums", silent=False)
dspy.configure(lm=addition_lm())
Rounds(exact, rounds=1).compile(dspy.Predict("question -> answer"), trainset=examples(2))
assert otel_dspy.mlflow.flush(timeout=120)
[experiment] = mlflow.MlflowClient().search_experiments(filter_string="name = 'sums'")
runs = mlflow.MlflowClient().search_runs([experiment.experiment_id])
traces = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
print(json.dumps({"runs": sorted(run.info.status for run in runs), "traces": len(traces)}))
"""


def test_an_optimization_is_in_mlflow(tmp_path: Path) -> None:
    """Its runs and traces are there, and nothing is logged."""
    spool = tmp_path / "spool"
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(UNIX_ALONE), blank_store(tmp_path)],
        env={**os.environ, "OTEL_DSPY_SPOOL_DIR": str(spool), "DSPY_CACHEDIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr
    assert "otel_dspy" not in ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == {"runs": ["FINISHED", "FINISHED"], "traces": 3}
    assert not [*spool.glob("*")]
