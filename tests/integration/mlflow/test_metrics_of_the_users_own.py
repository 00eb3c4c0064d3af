"""What a metric logs itself by `mlflow.log_metric`: where it arrives, and that the evaluation's scores are beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import mlflow
import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.integration.mlflow.conftest import DELIVERY

if TYPE_CHECKING:
    from tests.integration.mlflow.conftest import CallContext


class Echo(dspy.Module):
    """Answers with the question."""

    def forward(self, question: str) -> dspy.Prediction:
        """The question, as the answer."""
        return dspy.Prediction(answer=question)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("by_id", [True, False])
def test_a_metric_of_the_metrics_own(place: CallContext, *, by_id: bool) -> None:
    """With the id of the run it is there; without it MLflow opens a run for DSPy's thread, which is never ended."""
    mlflow.set_tracking_uri(place.uri)
    mlflow.set_experiment(place.experiment)
    processor = MlflowSpanProcessor()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    DSPyInstrumentor().instrument(tracer_provider=provider)
    try:
        with mlflow.start_run(run_name="mine") as run:

            def metric(_example: dspy.Example, _prediction: dspy.Prediction, _trace: object = None) -> bool:
                mlflow.log_metric("seen", 1.0, run_id=run.info.run_id if by_id else None)
                return True

            example: Any = dspy.Example(question="a")
            evaluate: Any = dspy.Evaluate(
                devset=[example.with_inputs("question")], metric=metric, num_threads=2, display_progress=False
            )
            evaluate(Echo())
            assert processor.force_flush(DELIVERY)
    finally:
        DSPyInstrumentor().uninstrument()
        processor.shutdown()
    runs = place.read().runs
    mine = next(found for found in runs if found.id == run.info.run_id)
    others = [(found.status, list(found.metrics)) for found in runs if found.id != run.info.run_id]
    assert (mine.status, mine.metrics["score/full"]) == ("FINISHED", ((0, 100.0),))
    assert (others, "seen" in mine.metrics) == (([], True) if by_id else ([("RUNNING", ["seen"])], False))
