"""Scripted responses to DSPy's prompts: parses prompts of ChatAdapter or JSONAdapter and fills each output field.

script = dspy_script({"answer": lambda inputs: str(eval_sum(inputs["question"]))})
with scripted_lm(script) as server: ...
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.support.lm_server import Message


_MARKED_FIELD = re.compile(r"^\[\[ ## (\w+) ## \]\]\s*\n(.*?)(?=^\[\[ ## \w+ ## \]\]|\Z)", re.MULTILINE | re.DOTALL)
_OUTPUT_LIST = re.compile(r"^Your output fields are:\n(.*?)\nAll interactions", re.MULTILINE | re.DOTALL)
_OUTPUT_NAME = re.compile(r"^\d+\. `(\w+)`", re.MULTILINE)
_CLOSING_ORDER = re.compile(r"\n*Respond with (?:the corresponding output fields|a JSON object).*\Z", re.DOTALL)


def output_fields(messages: Sequence[Message]) -> list[str]:
    """Name the fields that the system message asks for, in its order; raises ValueError if it is not DSPy's."""
    listed = _OUTPUT_LIST.search(_text(messages[0]))
    if listed is None:
        raise ValueError(f"no output fields in the system message: {_text(messages[0])[:200]!r}")
    return _OUTPUT_NAME.findall(listed[1])


def input_fields(messages: Sequence[Message]) -> dict[str, str]:
    """Read the inputs of the last user message, by field name."""
    asked = _CLOSING_ORDER.sub("", _text(messages[-1]))
    return {name: text.strip() for name, text in _MARKED_FIELD.findall(asked)}


def dspy_script(fills: Mapping[str, Callable[[Mapping[str, str]], str]]) -> Callable[[Sequence[Message]], str]:
    """Answer DSPy's prompts by field name.

    A field without a function of its own gets a text that differs from prompt to prompt and is the same for the same
    prompt, so that instruction proposals are distinct and runs repeat exactly.
    """

    def answer(messages: Sequence[Message]) -> str:
        inputs = input_fields(messages)
        values = {
            name: fills[name](inputs) if name in fills else _distinct_text(name, messages)
            for name in output_fields(messages)
        }
        if "Outputs will be a JSON object" in _text(messages[0]):
            return json.dumps(values)
        return "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in {**values, "completed": ""}.items())

    return answer


def _distinct_text(field: str, messages: Sequence[Message]) -> str:
    digest = hashlib.sha256(json.dumps(list(messages), default=str).encode()).hexdigest()[:8]
    return f"Scripted {field.replace('_', ' ')} {digest}. Work step by step, then answer with the result alone."


def _text(message: Message) -> str:
    """Join a message's text, which DSPy sends as a string or as a list of parts."""
    content = message["content"]
    if isinstance(content, str):
        return content
    parts = cast("Sequence[Mapping[str, str]]", content)
    return "".join(part.get("text", "") for part in parts)
