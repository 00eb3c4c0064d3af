"""Calls that end after their trial, as logged to MLflow."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dspy
from mlflow import MlflowClient
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.support.addition_task import examples
from tests.support.gated_evaluation import GatedEvaluation, GoesOn
from tests.support.in_process_lm import in_process_lm
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def logged(server_uri: str) -> Generator[tuple[str, GatedEvaluation]]:
    """A fresh experiment, whose spans are delivered when the block ends, and an evaluation whose metric raises."""
    experiment = f"late-{uuid.uuid4().hex[:8]}"
    processor = MlflowSpanProcessor(tracking_uri=server_uri, experiment=experiment)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    DSPyInstrumentor().instrument(tracer_provider=provider)
    gated = GatedEvaluation(ValueError("broken"))
    try:
        with dspy.context(lm=in_process_lm(gated.script)):
            yield experiment, gated
    finally:
        DSPyInstrumentor().uninstrument()
        processor.shutdown()


def test_an_evaluation_alone_leaves_them_out(server_uri: str) -> None:
    """No span around is open: its run has the one call in time, and a search finds the traces of the three others."""
    with logged(server_uri) as (experiment, gated):
        gated.evaluate(dspy.Predict("question -> answer"))
        gated.let_go_on()
    (run,) = read_tree(server_uri, experiment).runs
    used = {name: points[-1][1] for name, points in run.metrics.items() if name.startswith("usage/")}
    assert (used["usage/lm_calls"], used["usage/input_tokens"]) == (1.0, 10.0)
    assert "usage/late_calls" not in used
    assert run.status == "FAILED"
    late = [trace.id for trace in run.traces for span in trace.walk() if span.attributes.get("dspy.lm.late")]
    assert len(late) == 3
    client = MlflowClient(server_uri)
    (wanted,) = client.search_experiments(filter_string=f"name = '{experiment}'")
    found = client.search_traces(
        locations=[wanted.experiment_id], filter_string="span.attributes.dspy.lm.late ILIKE '%true%'"
    )
    assert sorted(trace.info.trace_id for trace in found) == sorted(late)


def test_the_compile_counts_them(server_uri: str) -> None:
    """Three of six calls end late: in the compile's totals, in no trial's, and marked in their traces."""
    with logged(server_uri) as (experiment, gated):
        GoesOn(gated).compile(dspy.Predict("question -> answer"), trainset=examples(2))
    (run,) = read_tree(server_uri, experiment).runs
    names = ("usage/lm_calls", "usage/input_tokens", "usage/late_calls")
    assert [{name: node.metrics[name][-1][1] for name in names if name in node.metrics} for node in run.walk()] == [
        {"usage/lm_calls": 6.0, "usage/input_tokens": 60.0, "usage/late_calls": 3.0},
        {"usage/lm_calls": 1.0, "usage/input_tokens": 10.0},
        {"usage/lm_calls": 2.0, "usage/input_tokens": 20.0},
    ]
    spans = [span for node in run.walk() for trace in node.traces for span in trace.walk()]
    assert sum(span.attributes.get("dspy.lm.late", False) for span in spans) == 3
    assert sum(span.type == "CHAT_MODEL" for span in spans) == 6
