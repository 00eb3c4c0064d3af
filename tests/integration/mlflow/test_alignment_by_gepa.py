"""MLflow's judge optimizer based on GEPA: what its reflection model is shown, and what is recorded of it."""

from __future__ import annotations

import json
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

_RATIONALE: Final = "It does not greet the customer."
_mlflow: Any = mlflow


def _answer(messages: Sequence[Message]) -> str:
    """The judge calls each answer formal; the reflection model proposes an instruction."""
    if "examples_with_feedback" in str(messages):
        return "Name the tone of {{ outputs }}."
    return '{"result": "formal", "rationale": "It is short."}'


def _labeled() -> list[Any]:
    """Traces with the label and the rationale of a human."""
    human: Any = AssessmentSource(source_type="HUMAN", source_id="reviewer")
    ids: list[str] = []
    for number in range(12):
        with _mlflow.start_span("answer") as span:
            span.set_inputs({"question": f"question {number}"})
            span.set_outputs("No.")
        ids.append(span.trace_id)
    _mlflow.flush_trace_async_logging()
    for one in ids:
        _mlflow.log_feedback(trace_id=one, name="tone", value="rude", rationale=_RATIONALE, source=human)
    return [_mlflow.get_trace(one) for one in ids]


def test_the_reflections_prompt_has_no_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded prompt has the judge's verdict and its score; neither the human's label nor the rationale."""
    from mlflow.genai.judges.optimizers import (  # noqa: PLC0415 - it imports LiteLLM, which takes every worker seconds
        GEPAAlignmentOptimizer,
    )

    mlflow.set_tracking_uri(blank_store(tmp_path, "aligned.db"))
    with scripted_lm(_answer) as server, recording(capture_content=True) as recorder:
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
        judge.align(_labeled(), optimizer)
    prompts = [
        json.loads(chat["gen_ai.input.messages"])[-1]["parts"][0]["content"]
        for chat in recorder.attributes_of("chat")
        if chat["gen_ai.request.model"] == "reflecting"
    ]
    assert prompts
    for prompt in prompts:
        assert '"result": "formal"' in prompt
        assert "This trajectory got a score of False." in prompt
        assert "rude" not in prompt
        assert _RATIONALE not in prompt
