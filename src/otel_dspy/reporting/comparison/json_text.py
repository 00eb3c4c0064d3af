"""A comparison of runs as a JSON object."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otel_dspy.reporting.comparison.run_figures import RunFigures
    from otel_dspy.reporting.comparison.runs import RunPair, RunsComparison


def json_text(found: RunsComparison) -> str:
    """Return the comparison as a JSON object; scores in points, cost in USD, durations in seconds."""
    return json.dumps(
        {
            "runs": [_run(run) for run in found.runs],
            "pairs": [_pair(pair) for pair in found.pairs],
            "parameters": {row.name: list(row.values) for row in found.parameters},
            "warnings": list(found.warnings),
        },
        indent=2,
        ensure_ascii=False,
        default=str,
    )


def _run(run: RunFigures) -> dict[str, Any]:
    return asdict(run) | {"usage": run.usage._asdict()}


def _pair(pair: RunPair) -> dict[str, Any]:
    found = asdict(pair)
    # The pairs repeat the ids of all examples.
    found["examples"]["pairing"]["pairs"] = len(pair.examples.pairing.pairs)
    test = pair.examples.test
    if test is not None:
        interval = test.interval
        found["examples"]["test"] |= {
            "significant": test.significant,
            "interval": interval._asdict() if interval is not None else None,
        }
    return found
