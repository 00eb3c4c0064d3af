"""What is asked of a language model and what it answers, taken down during the call and told after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, cast

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.util.genai.types import InputMessage, OutputMessage

from otel_dspy.plain import bounded
from otel_dspy.telemetry.invocations import plain_parts
from otel_dspy.telemetry.parameters import LARGEST_INT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.util.genai.invocation import InferenceInvocation
    from opentelemetry.util.types import AnyValue

    from otel_dspy.hooks.lm_result import CallFacts
    from otel_dspy.telemetry.emitter import Telemetry

_NUMBERS: Final = ("temperature", "top_p", "top_k", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
"""Keywords of a request that are attributes of the same names of the library's invocation."""


class CallRequest(NamedTuple):
    """A request as it was when it was made: the user may go on with the list of messages.

    Attributes:
        keywords: those that are told; nothing that may hold a key or a header.
        messages: (role, content as plain data) of each, or the prompt alone.
        content: whether messages are told.
    """

    keywords: Mapping[str, Any]
    messages: list[tuple[str, AnyValue]]
    content: bool

    @classmethod
    def of(cls, keywords: Mapping[str, Any], prompt: Any, *, content: bool) -> Self:
        """Take it down from the call's and the model's keywords."""
        told = {name: keywords[name] for name in (*_NUMBERS, "n") if name in keywords}
        return cls(told, _messages(prompt, keywords.get("messages")) if content else [], content)

    def put(self, telemetry: Telemetry, invocation: InferenceInvocation) -> None:
        """Give it to the library."""
        for name in _NUMBERS:
            value = self.keywords.get(name)
            if value is not None and isinstance(value, int | float) and not isinstance(value, bool):
                told = isinstance(value, float) or abs(value) <= LARGEST_INT
                setattr(invocation, name, value if told else str(value))
        count = self.keywords.get("n")
        if isinstance(count, int) and 1 < count <= LARGEST_INT:
            invocation.request_choice_count = count
        if self.content:
            invocation.input_messages = [
                InputMessage(role=role, parts=plain_parts(telemetry, gen_ai.GEN_AI_INPUT_MESSAGES, value))
                for role, value in self.messages
            ]


def answers_of(outputs: Any) -> list[AnyValue]:
    """The texts of what a call returned, as plain data."""
    # An explicit lm15.Request returns one typed response instead of DSPy's list.
    given = cast("list[Any]", outputs) if isinstance(outputs, list) else [outputs]
    return [bounded(_get(output, "text", output)) for output in given]


def put_response(
    telemetry: Telemetry, invocation: InferenceInvocation, facts: CallFacts, answers: list[AnyValue] | None
) -> None:
    """Give the library what came back. `answers`: None where they are not told."""
    invocation.response_model_name = facts.response_model
    invocation.response_id = facts.response_id
    reasons = list(facts.finish_reasons)
    invocation.finish_reasons = reasons or None
    if facts.usage is not None and not facts.cache_hit:
        invocation.input_tokens = facts.usage.input_tokens
        invocation.output_tokens = facts.usage.output_tokens
        invocation.cache_read_input_tokens = facts.cached_tokens
        invocation.thinking_tokens = facts.reasoning_tokens
    if answers is not None:
        invocation.output_messages = [
            OutputMessage(
                role="assistant",
                parts=plain_parts(telemetry, gen_ai.GEN_AI_OUTPUT_MESSAGES, answer),
                finish_reason=reasons[index] if index < len(reasons) else None,
            )
            for index, answer in enumerate(answers)
        ]


class CallTold:
    """What an LM call that has ended has to tell.

    Attributes:
        answers: plain data; None where they are not told.
    """

    __slots__ = ("_facts", "_request", "_telemetry", "answers")

    def __init__(self, telemetry: Telemetry, request: CallRequest | None, facts: CallFacts) -> None:
        self._telemetry = telemetry
        self._request = request
        self._facts = facts
        self.answers: list[AnyValue] | None = None

    def __call__(self, invocation: InferenceInvocation) -> None:
        """Tell it."""
        if self._request is not None:
            self._request.put(self._telemetry, invocation)
        put_response(self._telemetry, invocation, self._facts, self.answers)


def _messages(prompt: Any, messages: Any) -> list[tuple[str, AnyValue]]:
    if isinstance(messages, list | tuple) and messages:
        given = cast("Iterable[Any]", messages)
        return [(str(_get(message, "role") or "user"), bounded(_get(message, "content"))) for message in given]
    return [] if prompt is None else [("user", bounded(prompt))]


def _get(source: Any, name: str, default: Any = None) -> Any:
    # A dict first: an abstract class takes ten times as long to say so.
    if isinstance(source, dict) or isinstance(source, Mapping):  # noqa: SIM101 - see above
        return cast("Mapping[str, Any]", source).get(name, default)
    return getattr(source, name, default)
