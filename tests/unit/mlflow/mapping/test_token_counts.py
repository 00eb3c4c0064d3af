"""Counts of tokens that a pipeline has made doubles, in the spans, sums and costs of traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.records.route import Options
from otel_dspy.mlflow.tracking.store.traces.mlflow_span import cost_of
from otel_dspy.mlflow.tracking.store.traces.trace_sums import NewSums, sums_of
from otel_dspy.span_format import SCOPE_NAME
from tests.support.mapped_spans import mapped, only, span

if TYPE_CHECKING:
    from collections.abc import Mapping

CALL: Final[Mapping[str, Any]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "dspy.lm.cost": 0.00021,
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}
"""0.15 and 0.60 USD for a million tokens of input and output."""
INPUT: Final = "gen_ai.usage.input_tokens"


def _logged(attributes: Mapping[str, Any], scope: str = SCOPE_NAME) -> LogSpan:
    return only(mapped(span("chat", attributes, scope=scope), options=Options()), LogSpan)


def _doubles() -> dict[str, Any]:
    return {name: float(value) if isinstance(value, int) else value for name, value in CALL.items()}


@pytest.mark.parametrize("scope", [SCOPE_NAME, "opentelemetry.instrumentation.openai"])
def test_doubles_are_the_integers_that_mlflow_counts(scope: str) -> None:
    """MLflow leaves a double out of the tokens of a span, of any library."""
    attributes = _logged(_doubles(), scope).attributes
    assert {name: (attributes[name], type(attributes[name])) for name in CALL if "usage" in name} == {
        "gen_ai.usage.input_tokens": (1000, int),
        "gen_ai.usage.output_tokens": (100, int),
    }


def test_the_sums_of_a_trace_and_the_parts_of_its_cost() -> None:
    """They are those of integers: the tokens and the split of the cost are not lost."""
    logged = _logged(_doubles())
    assert cost_of(logged) == pytest.approx({"input_cost": 0.00015, "output_cost": 0.00006, "total_cost": 0.00021})
    assert sums_of([logged]) == sums_of([_logged(CALL)])
    assert sums_of([logged]).metadata["mlflow.trace.tokenUsage"] == (
        '{"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}'
    )


@pytest.mark.parametrize("value", [1.5, float("nan"), float("inf"), 1e300])
def test_a_double_that_is_no_count_is_kept_and_not_summed(value: float) -> None:
    """The span shows what was received."""
    logged = _logged({**CALL, INPUT: value})
    assert str(logged.attributes[INPUT]) == str(value)
    assert sums_of([logged]) == NewSums()


def test_other_numbers_beside_the_tokens_are_kept() -> None:
    """Another library's cost of two dollars is no count."""
    name = "gen_ai.usage.cost"
    found = _logged({**CALL, name: 2.0}, "other").attributes[name]
    assert (found, type(found)) == (2.0, float)
