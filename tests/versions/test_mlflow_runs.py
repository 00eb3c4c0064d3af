from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from inline_snapshot import snapshot

from otel_dspy.mlflow import autolog, autologging
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.mlflow.tracking.traces import trace_sender
from tests.support.blank_store import blank_store
from tests.versions.run_tree import run_lines, trace_count, trace_lines
from tests.versions.scenario import Sums, exact, examples, served

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


class Twice(dspy.Module):
    """A program of two steps."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Sums(), Sums()

    def forward(self, question: str) -> Any:
        """Answer, the second time."""
        self.first(question=question)
        return self.second(question=question)


def _delivered() -> None:
    """Everything so far is in MLflow."""
    active = autologging._active
    assert active is not None
    assert active.processor.force_flush(120_000)
    assert active.processor.lost == 0


# On the installed version test_server_and_local_store_hold_the_same proves that both stores hold the same.
@pytest.fixture(params=[pytest.param("server", marks=pytest.mark.slow), "local"])
def uri(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """A tracking server, and a database without one."""
    monkeypatch.chdir(tmp_path)
    if request.param == "local":
        yield blank_store(tmp_path)
    else:
        yield request.getfixturevalue("server_uri")
    autolog(disable=True)


def test_a_compile_is_a_run_tree(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    """A search is a run with its trials below, each with score and program; traces where MLflow takes them.

    Where it does not, one line is logged.
    """
    autolog(tracking_uri=uri, experiment="sums")
    with served() as (_, lm), dspy.context(lm=lm):
        optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
            metric=exact, max_bootstrapped_demos=1, max_labeled_demos=1, num_candidate_programs=1, num_threads=1
        )
        optimizer.compile(Sums(), trainset=examples(2), valset=examples(4))
        dspy.Evaluate(devset=examples(4), metric=exact, num_threads=2, display_progress=False)(Sums())
    _delivered()
    assert run_lines(uri, "sums") == snapshot(
        [
            "evaluate Sums FINISHED 0 params datasets=['devset'] artifacts=['evalset.json', 'model.json', 'result_table.json']",
            "BootstrapFewShotWithRandomSearch Sums FINISHED score/best=50 score/initial=50 12 params datasets=['trainset', 'valset'] artifacts=['best_model.json', 'initial_model.json', 'optimization_summary.json', 'trainset.json', 'valset.json']",
            "  trial 0: start, seed -3 FINISHED 3 params datasets=[] artifacts=['candidate.json', 'changes.md', 'model.json', 'result_table.json']",
            "  trial 1: seed -2 FINISHED 3 params datasets=[] artifacts=['candidate.json', 'changes.md', 'model.json', 'result_table.json']",
            "    LabeledFewShot Sums FINISHED 6 params datasets=['trainset'] artifacts=['best_model.json', 'candidates', 'initial_model.json', 'optimization_summary.json']",
            "  trial 2: seed -1 FINISHED 3 params datasets=[] artifacts=['candidate.json', 'changes.md', 'model.json', 'result_table.json']",
            "    BootstrapFewShot Sums FINISHED 9 params datasets=['trainset'] artifacts=['best_model.json', 'bootstrap_table.json', 'candidates', 'initial_model.json', 'optimization_summary.json']",
            "      LabeledFewShot Sums FINISHED 6 params datasets=['trainset'] artifacts=['best_model.json', 'candidates', 'initial_model.json', 'optimization_summary.json']",
            "  trial 3: seed 0 FINISHED 3 params datasets=[] artifacts=['candidate.json', 'changes.md', 'model.json', 'result_table.json']",
            "    BootstrapFewShot Sums FINISHED 9 params datasets=['trainset'] artifacts=['best_model.json', 'bootstrap_table.json', 'candidates', 'initial_model.json', 'optimization_summary.json']",
            "      LabeledFewShot Sums FINISHED 6 params datasets=['trainset'] artifacts=['best_model.json', 'candidates', 'initial_model.json', 'optimization_summary.json']",
        ]
    )
    assert (trace_count(uri, "sums") > 0) is capabilities.TRACES
    lacking = [record for record in caplog.records if "does not support traces" in record.getMessage()]
    assert len(lacking) == (0 if capabilities.TRACES else 1)


def test_a_trace_whose_spans_come_before_its_end(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example longer than spans wait for each other: its trace has its end, its score and its run all the same."""
    if not capabilities.TRACES:
        pytest.skip("this MLflow takes no traces of ours")
    monkeypatch.setattr(trace_sender, "LINGER", 0.0)
    autolog(tracking_uri=uri, experiment="long")
    with served(seconds=0.5) as (_, lm), dspy.context(lm=lm):
        dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1, display_progress=False)(Twice())
    _delivered()
    assert trace_lines(uri, "long") == snapshot(
        [
            "evaluate Twice OK 2 spans [] of a run",
            "Twice example 0 OK 8 spans [0.0] of a run",
            "Twice example 1 OK 8 spans [1.0] of a run",
        ]
    )
