"""Spans of the application's own tracer provider inside a DSPy call: traces that they begin, and spans of MLflow in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow as untyped_mlflow
import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from tests.integration.mlflow.fluent_calls import INSIDE, Answering, fluent_experiment, names, traces

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Tracer

    from tests.support.mlflow_server import MlflowServer

mlflow = cast("Any", untyped_mlflow)
pytestmark = [
    pytest.mark.contract_gaps("its parent was never exported"),
    pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "not sampled"]),
]


@pytest.fixture
def experiment(server: MlflowServer) -> Generator[str]:
    """A fresh experiment that MLflow is set to, with `autolog` on."""
    with fluent_experiment(server.uri) as name:
        yield name


@pytest.fixture
def tracer(sampler: Sampler) -> Tracer:
    """The application's, whose spans go elsewhere."""
    return TracerProvider(sampler=sampler, shutdown_on_exit=False).get_tracer("the application")


class Program(dspy.Module):
    """A job that the application traces on its own, inside a call."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def forward(self) -> None:
        """Answer in a new trace."""
        with self.tracer.start_as_current_span("a job", context=Context()):
            Answering()(question="1+1")


def test_a_trace_that_the_application_begins_inside_a_call_is_recorded(experiment: str, tracer: Tracer) -> None:
    """As a trace of its own, which the application's sampling does not concern."""
    Program(tracer)()
    found = sorted(str([names(root) for root in one.spans]) for one in traces(experiment))
    assert found == sorted([str(["module Program"]), str([INSIDE])])


def test_a_span_of_mlflow_below_one_of_the_application_is_in_the_call(experiment: str, tracer: Tracer) -> None:
    """It is in the trace of the call around, which `update_current_trace` updates, and so is what it contains."""

    def step(question: str) -> str:
        with tracer.start_as_current_span("a step"):
            mlflow.update_current_trace(tags={"team": "a"})
            with mlflow.start_span("around"), tracer.start_as_current_span("a part of it"):
                return str(cast("Any", Answering())(question=question).answer)

    dspy.Tool(step)(question="1+1")
    (found,) = traces(experiment)
    assert [names(root) for root in found.spans] == [{"execute_tool step": [{"around": [INSIDE]}]}]
    assert found.tags["team"] == "a"
