"""MLflow's tracing API around and inside DSPy's calls, as docs/migrating.md describes it for the installed MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import mlflow as untyped_mlflow
import pytest
from dspy.utils import DummyLM

from otel_dspy.mlflow import autolog, flush
from otel_dspy.mlflow.fluent.shared_context import IS_SHARED
from otel_dspy.mlflow.tracking import capabilities
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

mlflow = cast("Any", untyped_mlflow)
PAGE: Final = Path(__file__).parents[2] / "docs" / "migrating.md"
_ORPHAN: Final = pytest.mark.contract_gaps("its parent was never exported")
"""Its parent is MLflow's span, where MLflow shares OpenTelemetry's context."""
TIMEOUT: Final = 120.0


class Handled(dspy.Module):
    """A program that uses MLflow's tracing API inside of its call, as far as it is told to."""

    def __init__(self, inside: Callable[[], object] = bool) -> None:
        super().__init__()
        self.answer = dspy.Predict("question -> answer")
        self._inside = inside

    def forward(self, question: str) -> Any:
        """Answer."""
        self._inside()
        return self.answer(question=question)


def _around() -> bool:
    with mlflow.start_span("around"):
        Handled()(question="1")
    (trace,) = _traces()
    return _parents(trace)["module Handled"] == "around"


def _inside() -> bool:
    def look_up() -> None:
        with mlflow.start_span("look up"):
            pass

    Handled(look_up)(question="1")
    (trace,) = _traces()
    return _parents(trace)["look up"] == "module Handled"


def _update() -> bool:
    Handled(lambda: mlflow.update_current_trace(tags={"team": "a"}))(question="1")
    (trace,) = _traces()
    return trace.info.tags.get("team") == "a"


def _span() -> bool:
    def annotate() -> None:
        span = mlflow.get_current_active_span()
        if span is not None:
            span.set_attribute("team", "a")
            span.set_outputs({"said": "2"})

    Handled(annotate)(question="1")
    (trace,) = _traces()
    (span,) = [span for span in trace.data.spans if span.name == "module Handled"]
    return (span.get_attribute("team"), span.outputs) == ("a", {"said": "2"})


def _feedback() -> bool:
    Handled()(question="1")
    mlflow.log_feedback(trace_id=mlflow.get_last_active_trace_id(), name="helpful", value=True)
    (trace,) = _traces()
    return [score.name for score in trace.info.assessments] == ["helpful"]


def _off() -> bool:
    mlflow.tracing.disable()
    try:
        Handled()(question="1")
    finally:
        mlflow.tracing.enable()
    return _traces() == []


CALLS: Final[dict[str, Callable[[], bool]]] = {
    "a DSPy call inside `@mlflow.trace` or `mlflow.start_span`": _around,
    "`mlflow.start_span` inside a module": _inside,
    "`mlflow.get_current_active_span()` inside a module": _span,
    "`mlflow.update_current_trace(session_id=…, user=…, tags=…)` inside a module": _update,
    "`mlflow.log_feedback(trace_id=mlflow.get_last_active_trace_id())`": _feedback,
    "`mlflow.tracing.disable()`": _off,
}
"""Rows of the table, each with what checks it."""
NOT_HERE: Final = {
    "`mlflow.genai.evaluate(predict_fn=…)`",
    "`mlflow.genai.optimize_prompts(predict_fn=…)`",
    "a judge's `align` with an optimizer that runs DSPy",
}
"""Rows that tests/integration/mlflow checks."""


@pytest.fixture
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """A database of its own that MLflow is set to, with `autolog` on."""
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(blank_store(tmp_path))
    mlflow.set_experiment("fluent")
    autolog()
    with dspy.context(lm=DummyLM([{"answer": "2"}] * 5)):
        yield
    autolog(disable=True)
    mlflow.set_tracking_uri(None)


def _traces() -> list[Any]:
    assert flush(TIMEOUT)
    if hasattr(mlflow, "flush_trace_async_logging"):
        mlflow.flush_trace_async_logging()
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("fluent")
    return list(client.search_traces(experiment_ids=[experiment.experiment_id]))


def _parents(trace: Any) -> dict[str, str | None]:
    names = {span.span_id: span.name for span in trace.data.spans}
    return {span.name: names.get(span.parent_id) for span in trace.data.spans}


@pytest.mark.usefixtures("_store")
@pytest.mark.parametrize(
    "call", [pytest.param(call, marks=_ORPHAN if IS_SHARED and CALLS[call] is _around else ()) for call in CALLS]
)
@pytest.mark.skipif(not capabilities.TRACES, reason="this MLflow takes no traces of ours")
def test_a_row_of_the_table_is_true(call: str) -> None:
    """What a row says of a call holds for the installed MLflow."""
    assert CALLS[call]()


def test_the_table_has_these_rows() -> None:
    """Each row of the table on the page is checked somewhere."""
    text = PAGE.read_text(encoding="utf-8").partition("\n## MLflow's tracing API ")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|")[0].strip() for line in text.splitlines() if line.startswith("| ")][1:]
    assert set(rows) == {*CALLS, *NOT_HERE}


@pytest.mark.usefixtures("_store")
@_ORPHAN
@pytest.mark.skipif(capabilities.TRACES, reason="this MLflow takes traces of ours")
def test_without_traces_mlflow_is_as_if_nothing_were_recorded() -> None:
    """Inside a module MLflow's active span is the one around the call, or none; its spans are children of that one."""
    seen: list[str | None] = []

    def inside() -> None:
        active = mlflow.get_current_active_span()
        seen.append(active and active.name)
        with mlflow.start_span("look up") as span:
            seen.append(span.parent_id)

    Handled(inside)(question="1")
    with mlflow.start_span("around") as around:
        Handled(inside)(question="1")
    assert seen == [None, None, "around", around.span_id]
    announced = getattr(mlflow, "get_last_active_trace_id", lambda: around.request_id)()
    assert announced == around.request_id
