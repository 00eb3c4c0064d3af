"""Processes that end by themselves, one for each way to end, all at once: what they recorded is in MLflow, or spooled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from otel_dspy.mlflow.tracking.store import capabilities
from tests.support.blank_store import blank_store
from tests.support.child_process import heed_ctrl_c
from tests.support.waiting import under_load
from tests.versions.run_tree import run_lines, trace_lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROGRAM: Final = """
import atexit, os, signal, sys
import dspy
from dspy.utils import DummyLM
from otel_dspy.mlflow import autolog

autolog(tracking_uri=sys.argv[2], experiment="exits")
dspy.configure(lm=DummyLM([{"answer": "1"}] * 50))
predict = dspy.Predict("question -> answer")
examples = [dspy.Example(question=str(number), answer=str(number)).with_inputs("question") for number in range(2)]

def exact(example, prediction, trace=None):
    return example.answer == prediction.answer

def interrupted(example, prediction, trace=None):
    os.kill(os.getpid(), signal.SIGINT)
    return True

def compiled():
    optimizer = dspy.BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=-2, num_threads=1)
    optimizer.compile(predict, trainset=examples, valset=examples)

def called():
    predict(question="1")

def child():
    forked = os.fork()
    called()
    if forked and os.waitpid(forked, 0)[1]:
        raise SystemExit("the child has failed")

def raised():
    called()
    raise ValueError("the program has failed")

{
    "call": called,
    "child": child,
    "compile": compiled,
    "raise": raised,
    "interrupt": lambda: dspy.BootstrapFewShot(interrupted).compile(predict, trainset=examples),
    "late": lambda: atexit.register(called),
}[sys.argv[1]]()
"""
"""Ends in the way that its first argument names, with the call or compile right before."""
TIMEOUT: Final = 240
"""Seconds for all of them: each imports DSPy and MLflow."""


pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]  # each wait has a bound of its own, which grows with load


@dataclass(frozen=True)
class _Ended:
    """What is left of a process."""

    status: int
    errors: str
    uri: str
    spool: Path


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, _Ended]:
    """Each way to end, and what it left."""
    started: dict[str, tuple[subprocess.Popen[str], str, Path]] = {}
    patience = under_load(TIMEOUT)
    for way in ("call", "child", "compile", "raise", "interrupt", "late"):
        folder = tmp_path_factory.mktemp(way)
        uri = blank_store(folder)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OTEL_DSPY_SPOOL_DIR": str(folder / "spool"),
            "OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT": str(patience),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, way, uri], cwd=folder, env=environment, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=heed_ctrl_c,  # noqa: PLW1509 - one call, no lock
        )  # fmt: skip
        started[way] = process, uri, folder / "spool"
    found: dict[str, _Ended] = {}
    try:
        for way, (process, uri, folder) in started.items():
            _, errors = process.communicate(timeout=patience)
            found[way] = _Ended(process.returncode, errors, uri, folder)
    finally:
        for process, _, _ in started.values():
            process.kill()
            process.wait()
    return found


def _spooled(found: _Ended) -> list[str]:
    return sorted(path.name for path in found.spool.glob("*.jsonl"))


@pytest.mark.parametrize(
    ("way", "status", "last", "traces"),
    [("call", 0, "", 1), ("child", 0, "", 2), ("raise", 1, "ValueError: the program has failed", 1)],
)
def test_a_call_before_the_end(ended: Mapping[str, _Ended], way: str, status: int, last: str, traces: int) -> None:
    """The last line of a program is a call, in a forked child too, or an error after one: its trace is complete."""
    found = ended[way]
    assert (found.status, _spooled(found)) == (status, []), found.errors
    assert found.errors.count("Traceback") == bool(last), found.errors
    assert last in found.errors
    assert "No thread" not in found.errors
    if capabilities.TRACES:
        assert trace_lines(found.uri, "exits") == ["Predict OK 2 spans []"] * traces


def test_a_compile_before_the_end(ended: Mapping[str, _Ended]) -> None:
    """The last line is a compile: its run has ended, with its trial and its artifacts."""
    found = ended["compile"]
    assert (found.status, "Traceback" in found.errors, _spooled(found)) == (0, False, []), found.errors
    run, trial = run_lines(found.uri, "exits")
    assert run.startswith("BootstrapFewShotWithRandomSearch Predict FINISHED score/best=50 score/initial=50")
    assert "best_model.json" in run
    assert trial.startswith("  trial 0: start, seed -3 FINISHED")


def test_ctrl_c(ended: Mapping[str, _Ended]) -> None:
    """Ctrl-C in the middle of a compile ends the process as ever, and its run is there, KILLED and not RUNNING."""
    found = ended["interrupt"]
    assert (found.status, _spooled(found)) == (-signal.SIGINT, []), found.errors
    assert "\nKeyboardInterrupt\n" in found.errors
    run, nested = run_lines(found.uri, "exits")
    assert run.startswith("BootstrapFewShot Predict KILLED")
    assert nested.startswith("  LabeledFewShot Predict FINISHED")


def test_a_call_while_the_interpreter_shuts_down(ended: Mapping[str, _Ended]) -> None:
    """A program's first call is in its own exit handler: its trace is in MLflow, or in the spool with a word on where.

    CPython 3.12.0 and 3.12.1 start no thread then.
    """
    found = ended["late"]
    assert (found.status, "Traceback" in found.errors) == (0, False), found.errors
    if _spooled(found):
        assert sys.version_info[:2] == (3, 12)
        assert "otel-dspy replay" in found.errors
    elif capabilities.TRACES:
        assert trace_lines(found.uri, "exits") == ["Predict OK 2 spans []"]
