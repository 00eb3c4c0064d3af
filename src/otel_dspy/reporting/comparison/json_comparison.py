"""A comparison of runs as a JSON object."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otel_dspy.reporting.comparison.run_comparison import RunPair, RunsComparison
    from otel_dspy.reporting.comparison.run_figures import RunFigures
    from otel_dspy.reporting.statistics.significance import PairedTest


def json_text(found: RunsComparison) -> str:
    """Return the comparison as a JSON object; scores in points, cost in USD, durations in seconds."""
    return json.dumps(
        {
            "runs": [run_data(run) for run in found.runs],
            "pairs": [_pair(pair) for pair in found.pairs],
            "parameters": {row.name: list(row.values) for row in found.parameters},
            "warnings": list(found.warnings),
        },
        indent=2,
        ensure_ascii=False,
        default=str,
    )


def run_data(run: RunFigures) -> dict[str, Any]:
    """Return the figures of a run as a JSON object."""
    return asdict(run) | {"usage": run.usage.as_json()}


def test_data(test: PairedTest) -> dict[str, Any]:
    """Return a test as a JSON object."""
    interval = None if test.interval is None else test.interval._asdict()
    return asdict(test) | {"significant": test.significant, "interval": interval}


def _pair(pair: RunPair) -> dict[str, Any]:
    found = asdict(pair)
    # The pairs repeat the ids of all examples.
    found["examples"]["pairing"]["pairs"] = len(pair.examples.pairing.pairs)
    if pair.examples.test is not None:
        found["examples"]["test"] = test_data(pair.examples.test)
    return found
