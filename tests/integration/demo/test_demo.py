from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from otel_dspy.demo.local_model import MODEL_NAME, PROVIDER
from otel_dspy.demo.store import EXPERIMENT
from tests.integration.demo.conftest import run_demo
from tests.integration.demo.repeated import outcome
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_demo_records_a_real_optimization(tmp_path: Path) -> None:
    """A small run of the real thing is recorded whole: trials, scored traces with the model's words, and no cost."""
    result = run_demo(
        tmp_path, "--optimizer", "random_search", "--trials", "3", "--examples", "4", forked=False,
        DSPY_CACHEDIR=str(tmp_path / "c"),
    )  # fmt: skip
    assert (result.status, result.errors) == (0, "")
    [run] = read_tree(result.tracking_uri, EXPERIMENT).runs
    trials = [child for child in run.children if "dspy.trial.index" in child.tags]
    assert (run.status, len(trials)) == ("FINISHED", 3)
    assert "usage/cost" not in run.metrics
    assert run.metrics["usage/input_tokens"][-1][1] > 0
    assert run.params["lm.model"] == f"{PROVIDER}/{MODEL_NAME}"
    for trial in trials:
        assert len(trial.traces) == 4
        for trace in trial.traces:
            [score] = trace.assessments
            assert (score.name, score.value) in (("right_sentiment", 0.0), ("right_sentiment", 1.0))
            chats = [span for span in trace.walk() if span.name.startswith("chat")]
            assert chats
            assert "sentiment" in json.dumps(chats[-1].inputs)
    assert "price unknown" in result.output


@pytest.mark.slow
def test_the_demo_has_the_same_result_everywhere(tmp_path: Path) -> None:
    """Trials, choices, scores, tokens, answers and best program are equal under another hash seed."""
    found = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        result = run_demo(
            folder, "--trials", "3", "--examples", "4", forked=False,
            DSPY_CACHEDIR=str(folder / "c"), PYTHONHASHSEED=seed,
        )  # fmt: skip
        assert (result.status, result.errors) == (0, "")
        found.append(outcome(result.tracking_uri))
    assert found[0] == found[1]
