"""Scorers of MLflow that read recorded traces: calls of tools, lists, and the turns of a conversation."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import mlflow
from mlflow.genai import scorers

from otel_dspy import DSPyInstrumentor, conversation
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.behavior.model import model
from tests.behavior.programs import add
from tests.integration.mlflow.contract_spans import provider
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

_DELIVERY: Final = 120_000
"""Milliseconds."""
_mlflow: Any = mlflow


def _recorded(folder: Path, program: Callable[[], object]) -> Callable[..., list[Any]]:
    """Record what the function calls; return a search for its traces in MLflow's order."""
    store, experiment = blank_store(folder, "scored.db"), f"scored-{uuid.uuid4().hex}"
    processor = MlflowSpanProcessor(tracking_uri=store, experiment=experiment)
    DSPyInstrumentor().instrument(tracer_provider=provider(processor), capture_content=True)
    try:
        with dspy.context(lm=model()):
            program()
    finally:
        DSPyInstrumentor().uninstrument()
    assert processor.force_flush(_DELIVERY)
    processor.shutdown()
    mlflow.set_tracking_uri(store)
    place = _mlflow.get_experiment_by_name(experiment).experiment_id

    def search(**options: Any) -> list[Any]:
        return _mlflow.search_traces(locations=[place], return_type="list", **options)

    return search


def test_a_tool_call_is_expected_by_the_name_of_its_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ToolCallCorrectness` takes a span's name for the tool's: it is that of the GenAI conventions."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)  # MLflow would ask a model for the tools

    def program() -> None:
        tool: Any = cast("Any", dspy.Tool)(add, name="add")
        agent: Any = cast("Any", dspy.ReAct)("question -> answer", tools=[tool], max_iters=1)
        agent(question="1+2")

    (trace,) = _recorded(tmp_path, program)()
    scorer: Any = scorers.ToolCallCorrectness(should_exact_match=True)

    def verdict(name: str) -> str:
        expected = {"expected_tool_calls": [{"name": name, "arguments": {"left": 1, "right": 2}}]}
        return str(scorer(trace=trace, expectations=expected).value)

    assert {name: verdict(name) for name in ("add", "execute_tool add")} == {"add": "no", "execute_tool add": "yes"}


class Listing(dspy.Module):
    """Returns lines, as a field of a prediction or alone."""

    def forward(self, kind: str) -> Any:
        """Two lines."""
        lines = ["first line", "second line"]
        return cast("Any", dspy.Prediction)(lines=lines) if kind == "field" else lines


def test_a_list_in_a_prediction_is_read_as_a_whole(tmp_path: Path) -> None:
    """MLflow's scorers read the first item of a list alone; the output of a prediction is an object."""

    def program() -> None:
        for kind in ("field", "alone"):
            cast("Any", Listing())(kind=kind)

    scorer: Any = cast("Any", scorers.RegexMatch)(pattern="second")
    traces = _recorded(tmp_path, program)()
    found = {trace.data.spans[0].inputs["kind"]: str(scorer(trace=trace).value) for trace in traces}
    assert found == {"field": "yes", "alone": "no"}


def test_the_turns_of_a_conversation_can_be_read_in_their_order(tmp_path: Path) -> None:
    """`search_traces` has the newest first, and hands a scorer with `session` the last turn first."""
    questions = ["1+1", "2+2", "3+3"]

    def program() -> None:
        with conversation("c-1"):
            for question in questions:
                cast("Any", dspy.Predict)("question -> answer")(question=question)
                time.sleep(0.005)  # MLflow orders by milliseconds

    search = _recorded(tmp_path, program)

    def turns(**options: Any) -> list[str]:
        traces = search(**options)
        assert {trace.info.trace_metadata["mlflow.trace.session"] for trace in traces} == {"c-1"}
        return [trace.data.spans[0].inputs["question"] for trace in traces]

    assert turns() == questions[::-1]
    assert turns(order_by=["timestamp_ms ASC"]) == questions
