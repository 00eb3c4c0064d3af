"""Usage of `gepa.optimize` without DSPy's GEPA class: calls of functions, and of gepa's own language model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from inline_snapshot import snapshot

from tests.support.gepa_texts import (
    answer,
    optimize_texts,
    reflecting,
)
from tests.support.gepa_trials import attributes
from tests.support.in_process_lm import in_process_lm
from tests.support.lm_server import scripted_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    import pytest
    from opentelemetry.sdk.trace import ReadableSpan


def usage_of(span: ReadableSpan) -> dict[str, Any]:
    """Usage of the span and, of a trial, that of the compile up to its end."""
    return {
        name: value
        for name, value in attributes(span).items()
        if name.startswith(("dspy.usage.", "dspy.compile.usage."))
    }


def test_calls_of_plain_functions_are_not_counted_as_none() -> None:
    """No span has usage where functions are the models: 0 would state that no model was called."""
    with recording() as recorder:
        optimize_texts()
    found = [span for kind in ("compile", "trial", "evaluate", "example") for span in recorder.named(kind)]
    assert len(found) > 20
    assert [usage_of(span) for span in found] == [{}] * len(found)


def test_observed_calls_are_counted_beside_those_of_plain_functions() -> None:
    """A function that calls a `dspy.LM`: the spans in which it is called have its usage, the others have none."""
    reflect = reflecting()
    model: Any = in_process_lm(lambda _: reflect(None))

    def asked(prompt: str) -> str:
        return str(model(prompt)[0])

    with recording() as recorder:
        optimize_texts(reflection_lm=asked)
    calls = len(recorder.named("chat"))
    assert calls == 4
    (compiled,) = recorder.named("compile")
    assert usage_of(compiled)["dspy.usage.lm_calls"] == calls
    first, second, *_, last = sorted(recorder.named("trial"), key=lambda span: attributes(span)["dspy.trial.index"])
    assert usage_of(first) == {}
    assert usage_of(second)["dspy.usage.lm_calls"] == usage_of(second)["dspy.compile.usage.lm_calls"] == 1
    # No proposal was made of it.
    assert {name.startswith("dspy.compile.usage.") for name in usage_of(last)} == {True}
    assert usage_of(last)["dspy.compile.usage.lm_calls"] == calls
    assert [usage_of(span) for span in recorder.named("evaluate")] == [{}] * len(recorder.named("evaluate"))


def test_calls_of_gepas_own_language_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models by name: a `chat` span a request, with its tokens, in the evaluation or the proposal that it is for."""
    reflect = reflecting()

    def script(messages: Any) -> str:
        return reflect(None) if len(messages) == 1 else answer(messages)

    with scripted_lm(script) as server, recording(capture_content=True) as recorder:
        monkeypatch.setenv("OPENAI_API_BASE", server.api_base)
        key = "sk-0123456789abcdef"
        keywords = {"api_key": key, "temperature": 0.5}
        monkeypatch.setenv("OPENAI_API_KEY", key)
        optimize_texts(
            task_lm="openai/task", reflection_lm="openai/reflecting", reflection_lm_kwargs=keywords, max_metric_calls=14
        )
    lines = recorder.tree("compile")
    asked = [line.strip() for line in lines if line.strip().startswith("chat")]
    assert asked == snapshot(
        [
            "chat task",
            "chat task",
            "chat task",
            "chat task",
            "chat task",
            "chat task",
            "chat task",
            "chat task",
            "chat reflecting",
            "chat task",
            "chat task",
            "chat task",
            "chat task",
            "chat task",
            "chat task",
            "chat task",
            "chat task",
        ]
    )
    above = lines[lines.index(next(line for line in lines if "reflecting" in line)) - 1]
    assert above.strip() == "phase propose"
    (compiled,) = recorder.named("compile")
    usage = {name: value for name, value in attributes(compiled).items() if name.startswith("dspy.usage.")}
    calls = [attributes(span) for span in recorder.named("chat")]
    assert usage["dspy.usage.lm_calls"] == len(calls) == len(server.requests)
    assert usage["dspy.usage.input_tokens"] == sum(call["gen_ai.usage.input_tokens"] for call in calls)
    assert usage["dspy.usage.role.reflection.lm_calls"] == 1
    assert usage["dspy.usage.model.openai/reflecting.lm_calls"] == 1
    assert usage["dspy.usage.model.openai/task.lm_calls"] == len(calls) - 1
    assert usage["dspy.usage.unpriced_calls"] == len(calls)
    assert "dspy.usage.cost" not in usage
    assert key not in str(calls)
    assert json.loads(calls[0]["gen_ai.output.messages"])[0]["parts"][0]["content"] == "0"
