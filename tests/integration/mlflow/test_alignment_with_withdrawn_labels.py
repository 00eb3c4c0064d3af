"""MLflow's judge optimizer based on GEPA with labels that a human has replaced: what is recorded of its scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import mlflow
from mlflow.entities import AssessmentSource
from mlflow.genai.judges import make_judge

from tests.support.blank_store import blank_store
from tests.support.lm_server import scripted_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from tests.support.lm_server import Message

_TRACES: Final = 12
_mlflow: Any = mlflow


def _answer(messages: Sequence[Message]) -> str:
    """The judge calls each answer formal; the reflection model proposes an instruction."""
    if "examples_with_feedback" in str(messages):
        return "Name the tone of {{ outputs }}."
    return '{"result": "formal", "rationale": "It is short."}'


def _labeled() -> list[Any]:
    """Traces whose one label in force is what the judge answers, after two others."""
    human: Any = AssessmentSource(source_type="HUMAN", source_id="reviewer")
    ids: list[str] = []
    for number in range(_TRACES):
        with _mlflow.start_span("answer") as span:
            span.set_inputs({"question": f"question {number}"})
            span.set_outputs("No.")
        ids.append(span.trace_id)
    _mlflow.flush_trace_async_logging()
    for one in ids:
        label = _mlflow.log_feedback(trace_id=one, name="tone", value="rude", source=human)
        for value in ("rude", "formal"):
            label = _mlflow.override_feedback(
                trace_id=one, assessment_id=label.assessment_id, value=value, source=human
            )
    return [_mlflow.get_trace(one) for one in ids]


def test_the_recorded_scores_are_those_of_the_withdrawn_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that gives the label in force has the score 0.0 in each example, as for the optimizer."""
    from mlflow.genai.judges.optimizers import (  # noqa: PLC0415 - it imports LiteLLM, which takes every worker seconds
        GEPAAlignmentOptimizer,
    )

    mlflow.set_tracking_uri(blank_store(tmp_path, "aligned.db"))
    traces = _labeled()
    assert [one.value for trace in traces for one in trace.search_assessments("tone")] == ["formal"] * _TRACES
    with scripted_lm(_answer) as server, recording() as recorder:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
        monkeypatch.setenv("OPENAI_API_BASE", server.api_base)
        judge: Any = make_judge(
            name="tone",
            instructions="Name the tone of {{ outputs }} to {{ inputs }}.",
            model="openai:/scripted",
            feedback_value_type=str,
        )
        optimizer: Any = GEPAAlignmentOptimizer(
            model="openai:/reflecting", max_metric_calls=20, gepa_kwargs={"num_threads": 1}
        )
        judge.align(traces, optimizer)
    scores = [one["example.score"] for one in recorder.attributes_of("") if "example.score" in one]
    assert len(scores) >= _TRACES
    assert set(scores) == {0.0}
