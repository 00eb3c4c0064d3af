"""What is run under otel-dspy and another: an agent, an optimization, an evaluation, a call by way of litellm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
from opentelemetry import trace

from tests.support.addition_task import exact, examples
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def add(left: int, right: int) -> int:
    """Add two numbers, in a span of the user's own."""
    with trace.get_tracer("user").start_as_current_span("the user's addition"):
        return left + right


def _saying(text: str) -> Callable[[Mapping[str, str]], str]:
    return lambda _: text


def agent() -> None:
    """An agent that calls one tool."""
    message = {"next_tool_name": "add", "next_tool_args": '{"left": 1, "right": 2}', "answer": "3"}
    tools: list[Any] = [dspy.Tool(add, name="add")]
    react: Any = dspy.ReAct
    with dspy.context(lm=in_process_lm(dspy_script({name: _saying(text) for name, text in message.items()}))):
        react("question -> answer", tools=tools, max_iters=1)(question="1+2")


def optimization() -> None:
    """An optimization and an evaluation of what it made."""
    optimizer: Any = dspy.LabeledFewShot(k=1)
    evaluate: Any = dspy.Evaluate(devset=examples(1), metric=exact, num_threads=1)
    with dspy.context(lm=in_process_lm(dspy_script({"answer": _saying("1")}))):
        evaluate(optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(2)))


def by_litellm(address: str) -> None:
    """A header of one's own: DSPy goes by way of litellm then, and litellm by way of openai."""
    headers = {"x-mine": "1"}
    with dspy.context(lm=dspy.LM("openai/served", api_base=address, api_key="k", cache=False, extra_headers=headers)):
        dspy.Predict("question -> answer")(question="1+1")


def run(address: str) -> None:
    """All of it, in a span of the user's own. `address`: where a model answers."""
    with trace.get_tracer("user").start_as_current_span("the user's own"):
        agent()
        optimization()
        by_litellm(address)
