"""The scripted model of the scenarios: right on even sums, with tools, rules, advice and proposals as they are asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.addition_task import half_right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import dspy

    from tests.support.lm_server import Message


def _advice(inputs: Mapping[str, str]) -> str:
    # SIMBA asks for advice by module; it names them in its question.
    names = [line.split(":")[-1].strip() for line in inputs.get("module_names", "").splitlines()]
    return json.dumps({name or "self": "add with care" for name in names} or {"self": "add with care"})


_DSPY = dspy_script(
    {
        "answer": half_right,
        "next_thought": lambda _: "add them",
        "next_tool_name": lambda _: "add",
        "next_tool_args": lambda _: '{"left": 1, "right": 2}',
        "module_advice": _advice,
    }
)


def answer(messages: Sequence[Message]) -> str:
    """Answer DSPy's prompts by their fields, and anything else (a reflection on a prompt) with a new instruction."""
    try:
        return _DSPY(messages)
    except ValueError:
        return "```\nAdd the two numbers and give their sum alone.\n```"


def model(**settings: Any) -> dspy.LM:
    """A model that answers so; uncached unless `cache=True` is given."""
    return in_process_lm(answer, **settings)
