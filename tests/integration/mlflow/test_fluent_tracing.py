"""MLflow's own tracing API around and inside DSPy's calls: one trace a call."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow as untyped_mlflow
import pytest
from mlflow.entities import SpanEvent
from mlflow.tracing import provider
from mlflow.tracing.client import TracingClient
from mlflow.utils import autologging_utils

from otel_dspy.mlflow import autolog
from tests.integration.mlflow.fluent_calls import INSIDE, Answering, fluent_experiment, names, traces
from tests.support.addition_task import exact, examples

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.mlflow_server import MlflowServer

mlflow = cast("Any", untyped_mlflow)
SETTINGS_OF_DSPY: Any = dspy.settings
SETTINGS: dict[str, dict[str, Any]] = cast("Any", autologging_utils).AUTOLOGGING_INTEGRATIONS
"""What MLflow's autologging is set to, by flavor."""
SECRET = "sk-" + "planted0123456789" * 2
SESSION, USER, TOKENS = "mlflow.trace.session", "mlflow.trace.user", "mlflow.trace.tokenUsage"


@pytest.fixture
def experiment(server: MlflowServer) -> Generator[str]:
    """A fresh experiment that MLflow is set to, with `autolog` on; the server's is the only store."""
    with fluent_experiment(server.uri) as name:
        yield name


def test_a_call_inside_a_span_of_mlflow_is_a_part_of_its_trace(experiment: str) -> None:
    """`@mlflow.trace` around it: one trace with MLflow's name, session, user, tags and previews, and all tokens."""

    @mlflow.trace(name="handler")
    def handler(question: str) -> str:
        mlflow.update_current_trace(session_id="s", user="u", tags={"team": "a"})
        return str(cast("Any", Answering())(question=question).answer)

    handler("1+1")
    last = mlflow.get_last_active_trace_id()
    (found,) = traces(experiment)
    assert [names(root) for root in found.spans] == [{"handler": [INSIDE]}]
    assert (found.id, found.name, found.state) == (last, "handler", "OK")
    assert (found.request_preview, found.response_preview) == ('{"question": "1+1"}', '"2"')
    assert (found.metadata[SESSION], found.metadata[USER], found.tags["team"]) == ("s", "u", "a")
    assert json.loads(found.metadata[TOKENS])["total_tokens"] == 30


def test_a_traced_stream_that_is_left(experiment: str) -> None:
    """MLflow ends a generator's span only when it is exhausted; the calls inside are in the trace with their tokens."""

    @mlflow.trace(name="stream")
    def stream(question: str) -> Generator[str]:
        yield str(cast("Any", Answering())(question=question).answer)
        yield "."

    for _ in stream("1+1"):
        break
    (found,) = traces(experiment)
    assert [names(root) for root in found.spans] == [INSIDE]
    assert (found.state, json.loads(found.metadata[TOKENS])["total_tokens"]) == ("IN_PROGRESS", 30)


def test_a_call_alone_is_the_active_trace_of_mlflow(experiment: str) -> None:
    """Session, user, tags, previews and feedback set inside of it, and feedback right after it, land on its trace."""
    program = Answering(
        session_id="s",
        user="u",
        tags={"team": "a"},
        metadata={"m": "1"},
        request_preview="asked",
        client_request_id="c",
    )
    program(question="1+1")
    last = mlflow.get_last_active_trace_id()
    mlflow.log_feedback(trace_id=last, name="helpful", value=True)
    (found,) = traces(experiment)
    assert [names(root) for root in found.spans] == [INSIDE]
    assert (found.id, found.name, found.state) == (last, "Answering", "OK")
    assert (found.request_preview, found.response_preview) == ("asked", '{"answer":"2"}')
    assert (found.metadata[SESSION], found.metadata[USER], found.tags["team"]) == ("s", "u", "a")
    assert found.metadata["m"] == "1"
    assert {score.name: score.value for score in found.assessments} == {"helpful": True, "inside": 1.0}
    assert json.loads(found.metadata[TOKENS])["total_tokens"] == 30
    assert mlflow.get_trace(last).info.client_request_id == "c"


class Annotating(dspy.Module):
    """Sets on MLflow's active span whatever that can be given, in a module and in a program around it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = dspy.Predict("question -> answer")

    def forward(self, question: str) -> Any:
        """Answer."""
        annotate(question)
        result = self.inner(question=question)
        mlflow.get_current_active_span().set_outputs({"said": result.answer})
        return result

    async def aforward(self, question: str) -> Any:
        """Answer."""
        annotate(question)
        await asyncio.sleep(0)
        result = await self.inner.acall(question=question)
        mlflow.get_current_active_span().set_outputs({"said": result.answer})
        return result


def annotate(question: str) -> None:
    """Set all kinds of things on the active span."""
    span = mlflow.get_current_active_span()
    span.set_attributes({"team": "a", "rows": {"n": [1, None]}, "count": 2})
    span.set_inputs({"asked": question})
    span.set_span_type("AGENT")
    span.add_event(SpanEvent("looked up", attributes={"hits": 3}))
    span.record_exception(ValueError("no key " + SECRET))
    assert span.get_attribute("team") == "a"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("how", ["Parallel", "batch"])
def test_calls_in_threads_of_dspy_are_a_part_of_the_trace(experiment: str, how: str, threads: int) -> None:
    """`dspy.Parallel` and `Module.batch` directly in a span of MLflow's: their calls join it, and none after it."""
    program: Any = Answering()
    given = examples(3)

    @mlflow.trace(name="handler")
    def handler() -> None:
        if how == "batch":
            program.batch(given, num_threads=threads, disable_progress_bar=True)
        else:
            parallel = dspy.Parallel(num_threads=threads, disable_progress_bar=True)
            parallel([(program, example) for example in given])

    handler()
    dspy.Parallel(num_threads=threads, disable_progress_bar=True)([(program, given[0])])
    found, outside = traces(experiment)
    assert [names(root) for root in found.spans] == [{"handler": [INSIDE] * 3}]
    assert json.loads(found.metadata[TOKENS])["total_tokens"] == 90
    assert [names(root) for root in outside.spans] == [INSIDE]


ANNOTATED = {
    "team": "a",
    "rows": {"n": [1, None]},
    "count": 2,
    "mlflow.spanInputs": {"asked": "1+1"},
    "mlflow.spanOutputs": {"said": "2"},
    "mlflow.spanType": "AGENT",
}


def test_what_is_set_on_the_active_span_is_on_our_span(experiment: str) -> None:
    """Attributes, inputs, outputs, type, events and status: of a call, an awaited one, one on a thread, one in a span."""
    program: Any = Annotating()
    program(question="1+1")
    asyncio.run(program.acall(question="1+1"))
    dspy.Parallel(num_threads=2, disable_progress_bar=True)([(program, {"question": "1+1"})])
    with mlflow.start_span("around"):
        program(question="1+1")
    found = traces(experiment)
    assert [len(list(one.walk())) for one in found] == [3, 3, 3, 4]
    assert [(one.state, one.request_preview, one.response_preview) for one in found[:3]] == [
        ("ERROR", '{"asked": "1+1"}', '{"said": "2"}')
    ] * 3
    read = {one.info.trace_id: one for one in mlflow.search_traces(return_type="list")}
    for one in found:
        spans = read[one.id].data.spans
        (span,) = [each for each in spans if each.name == "module Annotating"]
        assert {name: span.get_attribute(name) for name in ANNOTATED} == ANNOTATED
        assert (span.status.status_code.value, span.status.description) == ("ERROR", "ValueError: no key [redacted]")
        looked_up, exception = span.events
        assert (looked_up.name, looked_up.attributes) == ("looked up", {"hits": 3})
        assert (exception.name, exception.attributes["exception.message"]) == ("exception", "no key [redacted]")
        assert SECRET not in json.dumps([each.to_dict() for each in spans])
        assert not any(each.get_attribute("team") or each.events for each in spans if each is not span)


def test_an_optimization_keeps_its_traces(experiment: str) -> None:
    """Inside a span of MLflow's, compile and examples have traces of their own, which belong to their runs."""
    with mlflow.start_span("around"):
        dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1)(Answering())
    found = {str(trace.name): [names(root) for root in trace.spans] for trace in traces(experiment)}
    assert sorted(found) == ["Answering example 0", "Answering example 1", "around", "evaluate Answering"]
    assert found["around"] == ["around"]
    assert found["Answering example 0"] == [{"example exact": [INSIDE]}]


def test_no_trace_where_mlflow_tracing_is_off(experiment: str) -> None:
    """`mlflow.tracing.disable()` holds for DSPy's calls as it does with MLflow's own autolog."""
    mlflow.tracing.disable()
    try:
        Answering()(question="1+1")
    finally:
        mlflow.tracing.enable()
    Answering()(question="2+2")
    assert [found.request_preview for found in traces(experiment)] == ['{"question":"2+2"}']


def test_a_named_destination_has_traces_of_its_own(experiment: str) -> None:
    """With `experiment=` DSPy's calls do not follow MLflow's trace; the last active trace is theirs all the same."""
    autolog(experiment=f"{experiment}-own")
    with mlflow.start_span("around"):
        Answering()(question="1+1")
        last = mlflow.get_last_active_trace_id()
    assert [[names(root) for root in found.spans] for found in traces(experiment)] == [[{"around": ["look up"]}]]
    (own,) = traces(f"{experiment}-own")
    assert own.id == last


def test_mlflow_is_as_it_was_afterwards() -> None:
    """`autolog(disable=True)` leaves MLflow's functions and its setting for DSPy as they were."""

    def state() -> list[dict[str, Any]]:
        return [dict(vars(provider)), dict(vars(TracingClient)), dict(SETTINGS)]

    before = state()
    autolog()
    assert SETTINGS["dspy"]["disable"]
    autolog(disable=True)
    assert state() == before
