"""`mlflow.tracing.context` around DSPy's calls: session, user, metadata and tags of their traces, and none at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow as untyped_mlflow
import pytest

from tests.integration.mlflow.fluent_calls import Answering, fluent_experiment, traces
from tests.support.addition_task import examples

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.mlflow_server import MlflowServer
    from tests.support.mlflow_tree import TraceNode

mlflow = cast("Any", untyped_mlflow)
SESSION, USER = "mlflow.trace.session", "mlflow.trace.user"


@pytest.fixture
def experiment(server: MlflowServer) -> Generator[str]:
    """A fresh experiment that MLflow is set to, with `autolog` on."""
    with fluent_experiment(server.uri) as name:
        yield name


def _set(found: TraceNode) -> dict[str, str | None]:
    metadata, tags = found.metadata, found.tags
    return {
        "session": metadata.get(SESSION),
        "user": metadata.get(USER),
        "stage": metadata.get("stage"),
        "team": tags.get("team"),
    }


def test_a_call_inside_has_what_is_set_for_its_trace(experiment: str) -> None:
    """An inner scope goes before an outer one; a call after the scope has none of it."""
    with mlflow.tracing.context(session_id="s", user="u", metadata={"stage": "outer"}, tags={"team": "a"}):
        cast("Any", Answering())(question="1+1")
        with mlflow.tracing.context(metadata={"stage": "inner"}):
            cast("Any", dspy.Predict)("question -> answer")(question="1+1")
    cast("Any", Answering())(question="1+1")
    first, second, third = traces(experiment)
    assert _set(first) == {"session": "s", "user": "u", "stage": "outer", "team": "a"}
    assert _set(second) == {"session": "s", "user": "u", "stage": "inner", "team": "a"}
    assert _set(third) == {"session": None, "user": None, "stage": None, "team": None}


def test_what_a_program_sets_inside_of_the_call_goes_before(experiment: str) -> None:
    """`mlflow.update_current_trace` inside of the call replaces its own values, and keeps the others."""
    with mlflow.tracing.context(session_id="s", user="u", tags={"team": "a"}):
        cast("Any", Answering(session_id="other", tags={"team": "b"}))(question="1+1")
    (found,) = traces(experiment)
    assert _set(found) == {"session": "other", "user": "u", "stage": None, "team": "b"}


def test_calls_on_dspys_threads_have_it_too(experiment: str) -> None:
    """Each call of a batch is a trace of the scope around the batch."""
    program: Any = Answering()
    with mlflow.tracing.context(session_id="s", user="u", metadata={"stage": "batch"}, tags={"team": "a"}):
        program.batch(examples(2), num_threads=2)
    found = [_set(one) for one in traces(experiment)]
    assert found
    assert all(one == {"session": "s", "user": "u", "stage": "batch", "team": "a"} for one in found)


def test_a_scope_without_tracing_has_no_traces(experiment: str) -> None:
    """With `enabled=False` the calls inside leave no trace, and those after it do."""
    with mlflow.tracing.context(enabled=False):
        cast("Any", dspy.Predict)("question -> answer")(question="1+1")
    cast("Any", dspy.Predict)("question -> answer")(question="1+1")
    assert len(traces(experiment)) == 1
