"""Several evaluations in a user's run: one step for each, and summed usage."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import dspy
import mlflow
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.integration.mlflow.conftest import DELIVERY, SERVER_IS_SLOW
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from tests.integration.mlflow.conftest import CallContext

TOTALS = ("usage/input_tokens", "usage/output_tokens", "usage/lm_calls", "usage/input_tokens/task")


def _evaluate(count: int) -> None:
    with dspy.context(lm=addition_lm()):
        evaluate = dspy.Evaluate(devset=examples(count), metric=exact, num_threads=1, display_progress=False)
        evaluate(dspy.Predict("question -> answer"))


def _evaluate_in(run_id: str, count: int) -> None:
    with mlflow.start_run(run_id=run_id):
        _evaluate(count)


@SERVER_IS_SLOW
def test_each_has_a_step_and_totals_are_added_up(place: CallContext) -> None:
    """One after the other with a compile between them, then two at once.

    Two processors deliver each of them: what two processes write, or a replay writes again, is counted once.
    """
    mlflow.set_tracking_uri(place.uri)
    mlflow.set_experiment(place.experiment)
    processors = [MlflowSpanProcessor(), MlflowSpanProcessor()]
    provider = TracerProvider(shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    DSPyInstrumentor().instrument(tracer_provider=provider)
    try:
        with mlflow.start_run() as users:
            _evaluate(4)
            assert all(processor.force_flush(DELIVERY) for processor in processors)
            labeled: Any = dspy.LabeledFewShot(k=1)
            labeled.compile(dspy.Predict("question -> answer"), trainset=examples(2))
            _evaluate(1)
            assert all(processor.force_flush(DELIVERY) for processor in processors)
        run = next(found for found in read_tree(place.uri, place.experiment).runs if found.id == users.info.run_id)
        threads = [threading.Thread(target=_evaluate_in, args=(users.info.run_id, 3)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        DSPyInstrumentor().uninstrument()
        for processor in processors:
            processor.shutdown()
    assert {
        name: values for name, values in run.metrics.items() if name in {*TOTALS, "score/full", "score/errors"}
    } == {
        "score/full": ((0, 50.0), (1, 0.0)),
        "score/errors": ((0, 0.0), (1, 0.0)),
        "usage/input_tokens": ((0, 40.0), (1, 50.0)),
        "usage/input_tokens/task": ((0, 40.0), (1, 50.0)),
        "usage/output_tokens": ((0, 20.0), (1, 25.0)),
        "usage/lm_calls": ((0, 4.0), (1, 5.0)),
    }
    last = mlflow.get_run(users.info.run_id).data.metrics
    assert {name: last[name] for name in (*TOTALS, "score/full")} == {
        "usage/input_tokens": 110.0,
        "usage/input_tokens/task": 110.0,
        "usage/output_tokens": 55.0,
        "usage/lm_calls": 11.0,
        "score/full": 33.33,
    }
