"""Arguments and results of tools that MLflow would not copy to a span's inputs and outputs."""

from __future__ import annotations

from typing import Any

import pytest

from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.records.route import Options, RootKind, TraceContext
from tests.support.mapped_spans import mapped, only, span

CALL = TraceContext(trace_id="t" * 32, root_id="s", kind=RootKind.CALL)


def logged(given: dict[str, Any], scope: str = "otel_dspy") -> LogSpan:
    """The span of a tool as MLflow gets it."""
    operations = mapped(span("tool", {"gen_ai.operation.name": "execute_tool"} | given, scope=scope), CALL, Options())
    return only(operations, LogSpan)


@pytest.mark.parametrize(
    ("text", "empty"), [("", ""), ("[]", []), ("{}", {}), ('""', ""), (0, 0), (False, False), (0.0, 0.0)]
)
@pytest.mark.parametrize(
    ("source", "target"),
    [("gen_ai.tool.call.arguments", "mlflow.spanInputs"), ("gen_ai.tool.call.result", "mlflow.spanOutputs")],
)
def test_what_is_empty_is_copied(source: str, target: str, text: object, empty: object) -> None:
    """The attribute stays as well, as MLflow leaves it."""
    attributes = logged({source: text}).attributes
    assert (attributes[target], attributes[source]) == (empty, text)


@pytest.mark.parametrize("text", ["0", "false", "null", "found", "[1]", '{"a":1}', " ", 1, True])
def test_what_mlflow_copies_is_left_to_it(text: object) -> None:
    """So is what other libraries record."""
    assert "mlflow.spanOutputs" not in logged({"gen_ai.tool.call.result": text}).attributes
    assert "mlflow.spanOutputs" not in logged({"gen_ai.tool.call.result": "[]"}, "another").attributes
    assert not {"mlflow.spanInputs", "mlflow.spanOutputs"} & logged({}).attributes.keys()
