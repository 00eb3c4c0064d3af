"""A DSPy that makes OpenTelemetry spans itself, in a callback: a call of a model or tool has one span.

DSPy 3.4 has no such callback. The one here does what the proposal for it does (stanfordnlp/dspy, pull request 10042).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from dspy.clients.base_lm import BaseLM
from dspy.utils.callback import BaseCallback
from opentelemetry.context import attach, detach
from opentelemetry.trace import SpanKind, set_span_in_context

from otel_dspy import DSPyInstrumentor
from tests.support.addition_task import exact, examples
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import TracerProvider

_SHOWN = ("gen_ai.usage.input_tokens", "gen_ai.tool.name", "lm.cache_hit", "lm.role", "module.name")
_ANSWERS = dspy_script(
    {
        "answer": lambda _: "3",
        "next_thought": lambda _: "add them",
        "next_tool_name": lambda _: "add",
        "next_tool_args": lambda _: '{"left": 1, "right": 2}',
    }
)


class _OtelCallback(BaseCallback):
    """Spans of modules, models, tools and evaluations, current while the call lasts."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("dspy")
        self._open: dict[str, Any] = {}

    def _start(self, call_id: str, name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: str) -> None:
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        span = self._tracer.start_span(name, kind=kind, attributes=named)
        self._open[call_id] = span, attach(set_span_in_context(span))

    def _end(self, call_id: str, *_: Any, **__: Any) -> None:
        span, token = self._open.pop(call_id)
        detach(token)
        span.end()

    def on_module_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        del inputs
        self._start(call_id, type(instance).__name__, dspy__module__type=type(instance).__name__)

    def on_lm_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        del inputs
        self._start(call_id, f"chat {instance.model}", SpanKind.CLIENT, gen_ai__operation__name="chat")

    def on_tool_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        del inputs
        self._start(call_id, f"execute_tool {instance.name}", gen_ai__operation__name="execute_tool")

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        del instance, inputs
        self._start(call_id, "Evaluate")

    on_module_end = on_lm_end = on_tool_end = on_evaluate_end = _end


def _add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


def _agent() -> Any:
    made: Any = dspy.ReAct
    return made("question -> answer", tools=[dspy.Tool(_add, name="add")], max_iters=1)


async def _call(program: Any) -> None:
    program(question="1+2")


async def _await(program: Any) -> None:
    await program.acall(question="1+2")


@pytest.mark.parametrize("act", [_call, _await])
async def test_one_span_a_call(monkeypatch: pytest.MonkeyPatch, act: Callable[[Any], Any]) -> None:
    """Its spans of models and tools have our facts; modules have a span of each, ours inside of its own."""
    monkeypatch.setattr(dspy, "OtelCallback", _OtelCallback, raising=False)
    with recording() as recorder:
        callbacks = [_OtelCallback(recorder.capture.tracer_provider)]
        with dspy.context(lm=in_process_lm(_ANSWERS), callbacks=callbacks):
            await act(_agent())
    assert recorder.tree("", *_SHOWN) == [
        "ReAct",
        "  module ReAct module.name=self",
        "    invoke_agent ReAct",
        "      Predict",
        "        module Predict module.name=react",
        "          chat openai/scripted lm.cache_hit=False module.name=react gen_ai.usage.input_tokens=10",
        "      execute_tool add gen_ai.tool.name=add",
        "      ChainOfThought",
        "        module ChainOfThought module.name=extract",
        "          Predict",
        "            module Predict module.name=extract.predict",
        "              chat openai/scripted lm.cache_hit=False module.name=extract.predict gen_ai.usage.input_tokens=10",
    ]


@pytest.mark.contract_gaps("and the calls below sum up to 0")
def test_what_an_evaluation_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its span is around ours, whose totals are those of the calls, though the spans of these are DSPy's."""
    monkeypatch.setattr(dspy, "OtelCallback", _OtelCallback, raising=False)
    capture = TelemetryCapture()
    DSPyInstrumentor().instrument(**capture.providers)
    try:
        with dspy.context(lm=in_process_lm(_ANSWERS), callbacks=[_OtelCallback(capture.tracer_provider)]):
            dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1, display_progress=False)(
                dspy.Predict("question -> answer")
            )
    finally:
        DSPyInstrumentor().uninstrument()
    (evaluation,) = (span for span in capture.spans if span.name == "evaluate exact")
    (theirs,) = (span for span in capture.spans if span.name == "Evaluate")
    found: Any = evaluation.attributes
    assert found["dspy.usage.input_tokens"] == 20
    assert evaluation.parent == theirs.get_span_context()


def test_dspy_is_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Afterwards the methods are DSPy's own again."""
    owners = {BaseLM: ("__call__", "acall"), dspy.Module: ("__call__", "acall"), dspy.Evaluate: ("__call__",)}
    before = [vars(owner)[name] for owner, names in owners.items() for name in names]
    monkeypatch.setattr(dspy, "OtelCallback", _OtelCallback, raising=False)
    with recording():
        inside = [vars(owner)[name] for owner, names in owners.items() for name in names]
    assert [vars(owner)[name] for owner, names in owners.items() for name in names] == before
    assert not any(one is other for one, other in zip(before, inside, strict=True))
