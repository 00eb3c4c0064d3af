"""Examples that were interrupted: the report has no result of them, and neither metrics nor tags count them."""

from __future__ import annotations

import pytest

from otel_dspy.mlflow.mapping.artifacts.tables import error_types
from otel_dspy.mlflow.mapping.traces.score_changes import counted_score
from otel_dspy.mlflow.records.span_records import ExampleRecord
from tests.support.mapped_spans import record_of


@pytest.mark.parametrize(
    "error", ["KeyboardInterrupt", "asyncio.exceptions.CancelledError", "otel_dspy.budget.BudgetExceeded", "SystemExit"]
)
def test_an_interrupted_example_did_not_fail(error: str) -> None:
    """It has no score either, where a failed one has 0."""
    rows = [{"error": "ValueError"}, {"error": error}, {"score": 1.0}]
    assert error_types(rows) == ["ValueError"]
    found = [
        record_of("example", error=True, error__type=name, dspy__example__index=0) for name in ("ValueError", error)
    ]
    scores = [counted_score(one) for one in found if isinstance(one, ExampleRecord)]
    assert scores == [0.0, None]
