"""The request of MLflow's evaluation that a call of DSPy is a prediction of."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mlflow.pyfunc.context import Context, set_prediction_context

from otel_dspy.mlflow import destination
from otel_dspy.mlflow.fluent.evaluated_request import evaluated_request_id

if TYPE_CHECKING:
    import pytest

CONTEXT = "mlflow.pyfunc.context"


def test_a_destination_is_found_without_an_import_of_pyfunc(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a second on the program's thread, and warns: with `python -W error` nothing was recorded."""
    monkeypatch.delitem(sys.modules, CONTEXT, raising=False)
    destination.current(None, None)
    assert CONTEXT not in sys.modules


def test_a_prediction_of_an_evaluation() -> None:
    """Of another prediction, and outside of one, there is none."""
    with set_prediction_context(Context(request_id="row 1", is_evaluate=True)):
        assert evaluated_request_id() == "row 1"
    with set_prediction_context(Context(request_id="served", is_evaluate=False)):
        assert evaluated_request_id() is None
    assert evaluated_request_id() is None
