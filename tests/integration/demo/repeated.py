"""What has to be the same in each run of the demo."""

from __future__ import annotations

from typing import Any

from otel_dspy.demo.store import EXPERIMENT
from tests.support.mlflow_tree import read_tree

_COUNTED = ("score/full", "score/minibatch", "usage/lm_calls", "usage/input_tokens", "usage/output_tokens")


def outcome(tracking_uri: str) -> list[Any]:
    """Names, scores and tokens of the optimization and its trials, in order, the answers, and the best program."""
    [run] = read_tree(tracking_uri, EXPERIMENT).runs
    nodes = [run, *(child for child in run.children if "dspy.trial.index" in child.tags)]
    counted = [{name: [value for _step, value in node.metrics.get(name, ())] for name in _COUNTED} for node in nodes]
    tables = [node.artifacts["result_table.json"]["data"] for node in nodes[1:]]
    best = run.artifacts["best_model.json"]["classify"]
    return [[node.name for node in nodes[1:]], counted, tables, best["signature"]["instructions"], best["demos"]]
