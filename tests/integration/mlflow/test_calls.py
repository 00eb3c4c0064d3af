"""A trace with an agent, tools, retrieval and a judge, read back with MLflow's client."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

import dspy
import numpy as np
from inline_snapshot import snapshot
from mlflow import MlflowClient

from otel_dspy import DSPyInstrumentor, conversation
from tests.behavior.model import model
from tests.behavior.programs import add
from tests.integration.mlflow.contract_spans import provider
from tests.support.addition_task import examples
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.mlflow.conftest import CallContext

JUDGE = in_process_lm(dspy_script({"verdict": lambda _: "yes"}), "openai/judging")


def letters(texts: Sequence[str], **_: Any) -> Any:
    """A vector for each text."""
    return np.array([[len(text), text.count("a")] for text in texts], dtype=np.float32)


class Looking(dspy.Module):
    """Looks something up, and then lets an agent answer."""

    def __init__(self) -> None:
        super().__init__()
        self.find = dspy.retrievers.Embeddings(["alpha", "beta"], dspy.Embedder(letters), k=1)
        tool: Any = cast("Any", dspy.Tool)(add, name="add")
        self.agent: Any = cast("Any", dspy.ReAct)("question -> answer", tools=[tool], max_iters=1)

    def forward(self, question: str) -> Any:
        """Answer."""
        self.find(question)
        return self.agent(question=question)


def judged(example: Any, prediction: Any, trace: object = None) -> bool:
    """Asks a model."""
    del trace
    with dspy.context(lm=JUDGE):
        attributes_set: Any = dspy.Predict("question, answer -> verdict")(
            question=example["question"], answer=prediction["answer"]
        )
    return attributes_set["verdict"] == "yes"


def test_a_trace_with_everything_in_it(place: CallContext) -> None:
    """Every span has its MLflow type and its parent, and the trace has its conversation."""
    program = Looking()
    DSPyInstrumentor().instrument(
        tracer_provider=provider(place.processor(), uuid.uuid4().int >> 97), capture_content=True
    )
    try:
        with dspy.context(lm=model()), conversation("c-1"):
            evaluate: Any = dspy.Evaluate(devset=examples(1), metric=judged, num_threads=1)
            evaluate(program)
    finally:
        DSPyInstrumentor().uninstrument()
    place.read()
    client = MlflowClient(place.uri)
    experiment: Any = client.get_experiment_by_name(place.experiment)
    found: list[Any] = cast("Any", client).search_traces(locations=[experiment.experiment_id], include_spans=True)
    (trace,) = [trace for trace in found if trace.data.spans[0].name.startswith("example")]
    assert _tree(trace.data.spans) == snapshot(
        [
            "example judged EVALUATOR",
            "  module Looking CHAIN",
            "    retrieval Embeddings RETRIEVER",
            "      embeddings letters EMBEDDING",
            "    module ReAct CHAIN",
            "      invoke_agent ReAct AGENT",
            "        module Predict CHAIN",
            "          chat scripted CHAT_MODEL",
            "        execute_tool add TOOL",
            "        module ChainOfThought CHAIN",
            "          module Predict CHAIN",
            "            chat scripted CHAT_MODEL",
            "  metric judged EVALUATOR",
            "    module Predict CHAIN",
            "      chat judging CHAT_MODEL",
        ]
    )
    assert trace.info.trace_metadata["mlflow.trace.session"] == "c-1"
    by_name = {span.name: span for span in trace.data.spans}
    assert by_name["execute_tool add"].outputs == snapshot("3")
    looked = by_name["retrieval Embeddings"]
    assert (looked.inputs, looked.outputs) == snapshot(({"query": "0+1"}, [{"page_content": "beta", "metadata": {}}]))


def _tree(spans: Sequence[Any]) -> list[str]:
    depths: dict[Any, int] = {None: -1}
    lines: list[str] = []

    def walk(parent: Any) -> None:
        for span in sorted((one for one in spans if one.parent_id == parent), key=lambda one: one.start_time_ns):
            depths[span.span_id] = depths[parent] + 1
            lines.append(f"{'  ' * depths[span.span_id]}{span.name} {span.span_type}")
            walk(span.span_id)

    walk(None)
    return lines
