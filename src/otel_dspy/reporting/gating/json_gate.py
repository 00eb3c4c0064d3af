"""The result of a gate as a JSON object."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from otel_dspy.reporting.comparison.json_comparison import run_data, test_data

if TYPE_CHECKING:
    from otel_dspy.reporting.gating.checks import GateResult


def json_text(result: GateResult) -> str:
    """Return the result as a JSON object; scores in points, cost in USD, durations in seconds."""
    return json.dumps(
        {
            "status": result.status,
            "exit_status": result.exit_status,
            "line": result.line,
            "checks": [asdict(check) for check in result.checks],
            "run": None if result.run is None else run_data(result.run),
            "baseline": None if result.baseline is None else run_data(result.baseline),
            "test": None if result.test is None else test_data(result.test),
        },
        indent=2,
        ensure_ascii=False,
        default=str,
    )
