"""MLflow's sums of a trace: tokens and costs of all its calls, in however many requests they come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.integration.mlflow.conftest import DELIVERY

if TYPE_CHECKING:
    from tests.integration.mlflow.conftest import Place

SUMS = {"mlflow.trace.tokenUsage", "mlflow.trace.cost"}


def test_a_call_that_takes_long(place: Place) -> None:
    """Three calls of the model, the first two told before the third has ended: the trace has the tokens of three."""
    teller = place.teller()
    with teller.span("module P", "module"):
        for _ in range(2):
            teller.chat("1+1?", "2")
            assert place.processors[0].force_flush(DELIVERY)
        teller.chat("1+1?", "2")
    (trace,) = place.read().traces
    sums = {name: json.loads(text) for name, text in trace.metadata.items() if name in SUMS}
    assert sums == {
        "mlflow.trace.tokenUsage": {"input_tokens": 30, "output_tokens": 15, "total_tokens": 45},
        "mlflow.trace.cost": {"input_cost": 0.0, "output_cost": 0.0, "total_cost": 0.003},
    }
