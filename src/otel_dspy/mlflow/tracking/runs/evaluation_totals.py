"""Metrics of a user's run with several evaluations: one step for each, and the sum of their usage.

Each evaluation has its own tag of the run, written before all such tags are read. So several processes can evaluate in
one run, and an evaluation that is delivered twice is counted once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.mapping.operations import MetricPoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.mapping.operations import LogEvaluation

PREFIX: Final = "otel_dspy.evaluation."
"""Prefix of a run's tag, followed by the span id of an evaluation. Value: JSON with its end (milliseconds) and usage.
"""


def evaluation_tag(operation: LogEvaluation) -> dict[str, str]:
    """Return the evaluation's tag."""
    content = {"end": operation.time_ms, "used": dict(operation.used)}
    return {PREFIX + operation.evaluation: json.dumps(content)}


def evaluation_points(operation: LogEvaluation, tags: Mapping[str, str]) -> list[MetricPoint]:
    """Return the evaluation's results at its step, and the sums over the run's evaluations at the last step.

    Args:
        operation: the evaluation.
        tags: all tags of its run, including its own.
    """
    found: dict[str, dict[str, Any]] = {
        name: json.loads(text) for name, text in tags.items() if name.startswith(PREFIX)
    }
    order = sorted(found, key=lambda name: (found[name]["end"], name))
    step = order.index(PREFIX + operation.evaluation)
    points = [MetricPoint(name, value, step, operation.time_ms) for name, value in operation.results.items()]
    sums: dict[str, float] = {}
    for name in order:
        for used, value in found[name]["used"].items():
            sums[used] = sums.get(used, 0.0) + value
    last_ms = found[order[-1]]["end"]
    return points + [MetricPoint(name, value, len(order) - 1, last_ms) for name, value in sums.items()]
