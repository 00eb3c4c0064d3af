"""Messages of LM calls, copied while the call runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.runtime.named_tuples import create
from otel_dspy.serialization.plain_data import bounded
from otel_dspy.telemetry.genai.message_parts import ChatMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.util.types import AnyValue

_ROLE_AND_CONTENT: Final = {"role", "content"}
_TEXT: Final = frozenset({str})
_ANSWER_FIELDS: Final = ("logprobs", "citations")
"""Fields of an output that are not parts of a message."""


CapturedMessage = ChatMessage | dict[str, str] | str
"""Copy of a message: plain data, or as it is where it holds nothing but texts, for `chat_message`."""


def messages_of(prompt: Any, messages: Any) -> list[CapturedMessage]:
    """Copy the messages of a request: those of its keywords, else of the prompt."""
    given: Any = messages
    if isinstance(messages, list | tuple) and messages:
        # The most frequent case, without a call of a function. Of texts a copy is enough until the call has ended.
        return [
            message.copy()
            if type(message) is dict and _TEXT.issuperset(map(type, message.values()))  # pyright: ignore[reportUnknownArgumentType] - `cast` is a function call
            else _message(message)
            for message in given
        ]
    typed = getattr(prompt, "messages", None)
    if isinstance(typed, list | tuple):  # an explicit lm15.Request
        system = getattr(prompt, "system", None)
        first = [] if system is None else [ChatMessage("system", bounded(system))]
        return [*first, *(_message(message) for message in cast("Iterable[Any]", typed))]
    return [] if prompt is None else [ChatMessage("user", bounded(prompt))]


def answers_of(outputs: Any) -> list[CapturedMessage]:
    """Copy the outputs of a call, one message per choice."""
    # An explicit lm15.Request returns one typed response instead of DSPy's list.
    given: Any = outputs
    choices: list[Any] = given if isinstance(outputs, list) else [outputs]
    return [output if type(output) is str else _answer(output) for output in choices]


def chat_message(message: CapturedMessage) -> ChatMessage:
    """Return a message that `messages_of` or `answers_of` has copied as plain data."""
    if type(message) is ChatMessage:
        return message
    if type(message) is str:  # most answers
        return create(ChatMessage, ("assistant", bounded(message), None, None, None))
    return _message(message)


def fields_of(outputs: Any) -> list[AnyValue]:
    """Return the fields of each output that `dspy.lm.response.fields` has, as plain data; empty if none has any."""
    given: Any = outputs
    choices: list[Any] = given if isinstance(outputs, list) else []
    for output in choices:
        if isinstance(output, dict):
            break
    else:
        return []  # most answers are texts; `any` would create a generator in each call
    found = [
        {name: bounded(value) for name in _ANSWER_FIELDS if (value := field_of(output, name)) is not None}
        for output in given
    ]
    return [*found] if any(found) else []


def _answer(output: Any) -> ChatMessage:
    if isinstance(output, str):
        return ChatMessage("assistant", bounded(output))
    typed = getattr(output, "message", None)
    if typed is not None:
        return _message(typed)
    calls, reasoning = field_of(output, "tool_calls"), field_of(output, "reasoning_content")
    return ChatMessage(
        "assistant",
        bounded(field_of(output, "text", output)),
        tool_calls=None if calls is None else bounded(calls),
        reasoning=None if reasoning is None else bounded(reasoning),
    )


def _message(message: Any) -> ChatMessage:
    found: Any = message
    if type(message) is dict and found.keys() == _ROLE_AND_CONTENT:  # the most frequent case
        return create(ChatMessage, (str(found["role"] or "user"), bounded(found["content"]), None, None, None))
    content, calls = field_of(message, "content"), field_of(message, "tool_calls")
    if content is None:
        content = field_of(message, "parts")
    answered, reasoning = field_of(message, "tool_call_id"), field_of(message, "reasoning_content")
    return ChatMessage(
        str(field_of(message, "role") or "user"),
        bounded(content),
        None if calls is None else bounded(calls),
        None if answered is None else str(answered),
        None if reasoning is None else bounded(reasoning),
    )


def field_of(source: Any, name: str, default: Any = None) -> Any:
    """Return a field of a mapping or of an object.

    Args:
        source: a message, an output or a request.
        name: the field's name.
        default: what is returned where it has none.
    """
    # `dict` first: an isinstance check against an abstract class takes ten times as long.
    given: Any = source
    if isinstance(source, dict) or isinstance(source, Mapping):  # noqa: SIM101 - see above
        return given.get(name, default)
    return getattr(source, name, default)
