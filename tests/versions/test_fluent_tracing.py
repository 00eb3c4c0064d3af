"""MLflow's tracing API around and inside DSPy's calls, as docs/migrating.md describes it for the installed MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import mlflow as untyped_mlflow
import pytest
from dspy.utils import DummyLM

from otel_dspy.mlflow import autolog
from otel_dspy.mlflow.tracking.store import capabilities
from tests.support.blank_store import blank_store
from tests.support.programs import run_program
from tests.versions.fluent_rows import CALLS, Handled

if TYPE_CHECKING:
    from collections.abc import Generator

mlflow = cast("Any", untyped_mlflow)
PAGE: Final = Path(__file__).parents[2] / "docs" / "migrating.md"
_ORPHAN: Final = pytest.mark.contract_gaps("its parent was never exported")
"""Its parent is MLflow's span, where MLflow shares OpenTelemetry's context."""


NOT_HERE: Final = {
    "`dspy.Parallel` or `Module.batch` inside `@mlflow.trace`",
    "`mlflow.genai.evaluate(predict_fn=…)`",
    "`mlflow.genai.optimize_prompts(predict_fn=…)`",
    "a judge's `align` with an optimizer that runs DSPy",
    "a DSPy call inside `mlflow.tracing.context(session_id=…, user=…, metadata=…, tags=…)`",
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


@pytest.mark.skipif(not capabilities.TRACES, reason="this MLflow takes no traces of ours")
def test_the_rows_of_the_table_are_true(tmp_path: Path) -> None:
    """What each row states of a call holds for the installed MLflow."""
    done = run_program(str(tmp_path), module="tests.versions.fluent_rows", folder=PAGE.parents[1])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == dict.fromkeys(CALLS, True)


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
