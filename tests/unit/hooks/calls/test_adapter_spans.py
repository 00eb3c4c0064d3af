"""Adapters' spans, which only the setting gives."""

from __future__ import annotations

import asyncio
from types import FunctionType
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.lm_server import Message


def _ask(adapter: dspy.Adapter, lm: dspy.LM | None = None, *, awaited: bool = False) -> Any:
    program: Any = dspy.Predict("question -> answer")
    with dspy.context(lm=lm or addition_lm(), adapter=adapter):
        return asyncio.run(program.acall(question="1+1")) if awaited else program(question="1+1")


def test_without_the_setting_there_are_none() -> None:
    """Nothing of an adapter is watched, and its methods are its own."""
    before = vars(dspy.Adapter)["format"]
    with recording(capture_content=True) as recorder:
        _ask(dspy.ChatAdapter())
        assert vars(dspy.Adapter)["format"] is before
    assert recorder.named("adapter") == []


@pytest.mark.parametrize("awaited", [False, True], ids=["called", "awaited"])
@pytest.mark.parametrize("kind", [dspy.ChatAdapter, dspy.JSONAdapter, dspy.XMLAdapter])
def test_each_adapter_formats_and_parses_once(kind: Any, *, awaited: bool) -> None:
    """`super().format()` is a part of the same work; without content there are no texts."""
    lm = in_process_lm(lambda _: "<answer>2</answer>") if kind is dspy.XMLAdapter else None
    recorder = same_with_and_without(lambda: _ask(kind(), lm, awaited=awaited), capture_adapters=True)
    assert recorder.tree("", "adapter") == [
        "module Predict",
        f"  adapter format {kind.__name__} adapter.operation=format adapter.type={kind.__name__}",
        "  chat scripted",
        f"  adapter parse {kind.__name__} adapter.operation=parse adapter.type={kind.__name__}",
    ]


def test_with_content() -> None:
    """Inputs and messages, answer and fields."""
    recorder = same_with_and_without(
        lambda: _ask(dspy.ChatAdapter()), capture_adapters=True, capture_content=True, max_content_length=60
    )
    recorded = [
        {name: one[f"adapter.{name}"] for name in ("input", "output")} for one in recorder.attributes_of("adapter")
    ]
    assert recorded == snapshot(
        [
            {"input": '{"question":"1+1"}', "output": '[{"role":"system","content":"Your input fields are:\\n1. `que'},
            {
                "input": """\
[[ ## answer ## ]]
2

[[ ## completed ## ]]
""",
                "output": '{"answer":"2"}',
            },
        ]
    )


class Hesitant:
    """A script whose first answer is nonsense."""

    def __init__(self) -> None:
        self._asked = False
        self._script = dspy_script({"answer": half_right})

    def __call__(self, messages: Sequence[Message]) -> str:
        """Answer."""
        known, self._asked = self._asked, True
        return self._script(messages) if known else "nonsense"


def test_an_answer_that_cannot_be_parsed() -> None:
    """The failed parse has the error, and the adapter that repeats the call has spans of its own."""
    recorder = same_with_and_without(lambda: _ask(dspy.ChatAdapter(), in_process_lm(Hesitant())), capture_adapters=True)
    assert recorder.tree("", "error.type", "module.fallback") == snapshot(
        [
            "module Predict module.fallback=JSONAdapter",
            "  adapter format ChatAdapter",
            "  chat scripted",
            "  adapter parse ChatAdapter error.type=dspy.utils.exceptions.AdapterParseError ERROR(ChatAdapter could not parse the model's answer; it should have held: answer)",
            "  adapter format JSONAdapter",
            "  chat scripted",
            "  adapter parse JSONAdapter",
        ]
    )


def test_a_fallback_below_a_span_of_another_instrumentation() -> None:
    """The module's span has it, not the one around the adapter."""
    with recording() as recorder:
        tracer = recorder.capture.tracer_provider.get_tracer("another")

        class Traced(dspy.ChatAdapter):
            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                with tracer.start_as_current_span("adapter"):
                    return super().__call__(*args, **kwargs)

        _ask(Traced(), in_process_lm(Hesitant()))
    assert recorder.tree("", "module.fallback") == [
        "module Predict module.fallback=JSONAdapter",
        "  adapter",
        "    chat scripted",
        "    chat scripted",
    ]


def test_an_adapter_of_the_users_own() -> None:
    """One defined while DSPy is instrumented is watched, and is itself again afterwards."""
    with recording(capture_adapters=True) as recorder:

        class Own(dspy.ChatAdapter):
            def parse(self, signature: Any, completion: str) -> dict[str, Any]:
                return super().parse(signature, completion)

        _ask(Own())
    assert [span.name for span in recorder.named("adapter")] == ["adapter format Own", "adapter parse Own"]
    assert isinstance(vars(Own)["parse"], FunctionType)
