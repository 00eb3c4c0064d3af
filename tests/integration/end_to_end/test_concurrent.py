"""Several processes, each with several optimizations at once, all inside requests: in MLflow they keep apart."""

from __future__ import annotations

import os
from collections import Counter
from typing import IO, TYPE_CHECKING

from tests.support.mlflow_tree import read_tree
from tests.support.optimizer_runs import drawn
from tests.support.programs import ROOT, Program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mlflow_tree import RunNode

PROCESSES = 2
AT_ONCE = 2
SCRIPT = """
import sys
from concurrent.futures import ThreadPoolExecutor

import dspy
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

from otel_dspy.mlflow import autolog
from tests.support.optimizers import Rounds
from tests.support.progress_bars import share_progress_bars
from tests.support.addition_task import exact, examples, addition_lm

share_progress_bars()
uri, experiment, *sizes = sys.argv[1:]
web = TracerProvider().get_tracer("web")  # the application's own, whose spans MLflow does not receive


def request(size):
    with web.start_as_current_span("POST /optimize", kind=SpanKind.SERVER), dspy.context(lm=addition_lm()):
        Rounds(exact, rounds=3).compile(dspy.ChainOfThought("question -> answer"), trainset=examples(int(size)))


autolog(tracking_uri=uri, experiment=experiment)
with ThreadPoolExecutor(len(sizes)) as pool:
    list(pool.map(request, sizes))
"""


def _started(
    tracking_uri: str, experiment: str, *sizes: int, spool: Path | None = None, stderr: IO[str] | None = None
) -> Program:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | ({"OTEL_DSPY_SPOOL_DIR": str(spool)} if spool else {})
    arguments = (tracking_uri, experiment, *map(str, sizes))
    return Program(*arguments, text=SCRIPT, environment=environment, stderr=stderr)


def _recorded(run: RunNode) -> tuple[list[str], list[Counter[str | None]]]:
    """The run and all below it as drawn, and the names of each one's traces."""
    return list(drawn(run)), [Counter(trace.name for trace in node.traces) for node in run.walk()]


def test_processes_and_threads_to_one_server(server_uri: str) -> None:
    """Each optimization's run, trials, scores, tables and traces are those that it has when it runs alone."""
    sizes = range(2, 2 + PROCESSES * AT_ONCE)
    assert _started(server_uri, "one by one", sizes[0]).wait(200) == 0
    groups = [sizes[number * AT_ONCE : (number + 1) * AT_ONCE] for number in range(PROCESSES)]
    together = [_started(server_uri, "at once", *group) for group in groups]
    assert [child.wait(300) for child in together] == [0] * PROCESSES
    (expected,) = read_tree(server_uri, "one by one").runs
    tree = read_tree(server_uri, "at once")
    found = {_size(run): run for run in tree.runs}
    assert tree.traces == ()
    assert sorted(found) == list(sizes)
    assert _recorded(found[sizes[0]]) == _recorded(expected)
    for size, run in found.items():
        assert {node.status for node in run.walk()} == {"FINISHED"}
        assert [len(child.artifacts["result_table.json"]["data"]) for child in run.children] == [size] * 3
        assert [len(child.traces) for child in run.children] == [size] * 3


def test_processes_to_a_new_database(tmp_path: Path) -> None:
    """Processes that start together, as the workers of a web server, and find no database: each one's run is there.

    Migrations of two processes at the same time raise, and can leave a database that MLflow opens no more (3.17.2).
    """
    uri, spool, errors = f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "spool", tmp_path / "stderr"
    with errors.open("w") as stderr:
        together = [_started(uri, "at once", size, spool=spool, stderr=stderr) for size in (2, 3)]
        assert [child.wait(300) for child in together] == [0, 0]
    assert "unavailable" not in errors.read_text()
    tree = read_tree(uri, "at once")
    assert sorted(map(_size, tree.runs)) == [2, 3]
    assert {node.status for run in tree.runs for node in run.walk()} == {"FINISHED"}
    assert [*spool.glob("*")] == []


def _size(run: RunNode) -> int:
    return len(run.artifacts["trainset.json"]["data"])
