"""SIGTERM while a program that has ended waits for MLflow: one wait, with one series of progress lines."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import mlflow

from tests.support.blank_store import blank_store
from tests.support.mlflow_tree import read_tree
from tests.support.programs import Program
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SCRIPT = """
import sys
import dspy
from dspy.utils.dummies import DummyLM
from otel_dspy.mlflow import autolog

autolog(tracking_uri=sys.argv[1], experiment="ended")
with dspy.context(lm=DummyLM([{"answer": "2"}] * 7)):
    for number in range(7):
        dspy.Predict("question -> answer")(question=f"q{number}")
"""
LINE = "spans not yet delivered to MLflow ("


def _seconds(log: Path) -> list[int]:
    """Seconds that each progress line has, in the order of the lines."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return [int(line.partition(LINE)[2].partition(" s")[0]) for line in lines if LINE in line]


def test_one_wait_whose_end_is_the_signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's database is locked at first: the wait goes on as before the signal, and everything is delivered."""
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(tmp_path / "spool"))
    uri, log = blank_store(tmp_path), tmp_path / "log"
    mlflow.MlflowClient(uri).create_experiment("ended", artifact_location=(tmp_path / "artifacts").as_uri())
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other, log.open("wb") as stderr:
        other.execute("BEGIN IMMEDIATE")
        with Program(uri, text=SCRIPT, environment=os.environ, folder=tmp_path, stderr=stderr) as child:
            awaited(lambda: _seconds(log), "the first progress line")
            child.send_signal(signal.SIGTERM)
            awaited(lambda: _seconds(log)[-1] > _seconds(log)[0] + 1, "a later line of the same wait")
            other.execute("ROLLBACK")
            assert child.wait(120) == -signal.SIGTERM
    assert (seconds := _seconds(log)) == sorted(set(seconds))
    assert "WARNING" not in log.read_text(encoding="utf-8")
    assert [trace.state for trace in read_tree(uri, "ended").traces] == ["OK"] * 7
    assert list((tmp_path / "spool").glob("*")) == []
