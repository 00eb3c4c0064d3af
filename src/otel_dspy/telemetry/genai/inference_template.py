"""Template of a request to a language model: its spans' name and first attributes, and its invocations.

Samplers receive the name and the attributes. They are duplicated from the library; a test compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from opentelemetry.context import Context
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT

from otel_dspy.telemetry.call_context import SPAN
from otel_dspy.telemetry.genai.inference import Inference
from otel_dspy.telemetry.genai.invocation_copies import copies_of

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.deferred.aggregation_cache import AttributeSet
    from otel_dspy.telemetry.genai.inference import InvocationBackend

_FIRST: Final[tuple[tuple[Literal["provider", "request_model", "server_address", "server_port"], str], ...]] = (
    ("provider", gen_ai.GEN_AI_PROVIDER_NAME),
    ("request_model", gen_ai.GEN_AI_REQUEST_MODEL),
    ("server_address", SERVER_ADDRESS),
    ("server_port", SERVER_PORT),
)
"""(argument, attribute) of the attributes that the library sets at the start of a call."""
_MOST: Final = 64
"""Maximum number of cached templates; beyond it the cache is cleared."""


class Request(TypedDict):
    """Arguments of the library for a request to a language model."""

    provider: str
    request_model: str | None
    server_address: str | None
    server_port: int | None
    operation_name: str


class InferenceTemplate:
    """Creates the invocations for one request.

    Args:
        backend: dependencies of the invocations.
        request: model, provider, server and operation.
    """

    def __init__(self, backend: InvocationBackend, request: Request) -> None:
        self.backend = backend
        self._request = request
        model, operation = request["request_model"], request["operation_name"]
        self.span_name = f"{operation} {model}" if model else operation
        self.attributes: dict[str, AttributeValue] = {gen_ai.GEN_AI_OPERATION_NAME: operation}
        """Attributes that a span starts with; must not be changed."""
        for name, attribute in _FIRST:
            value = request[name]
            if value is not None:
                self.attributes[attribute] = value
        self._metric_sets: dict[object, AttributeSet] = {}
        shared = (
            backend, backend.tracer, backend.instruments, backend.logger, backend.completion_hook, self._metric_sets,
        )  # fmt: skip
        first, second = self.create(Context(), None), self.create(Context(), None)
        for one in (first, second):
            one.set_start(Context(), 0.0)  # each call sets its own
        self._copies = copies_of(first, second, shared)

    def invocation(self, context: Context, conversation: str | None) -> Inference:
        """Create an invocation.

        Args:
            context: the call's; its span is the invocation's.
            conversation: id of the conversation, if there is one.
        """
        if self._copies is None or conversation is not None or _CONVERSATION in context:
            return self.create(context, conversation)
        invocation: Any = self._copies.copy()
        invocation.span = context[SPAN]
        return invocation

    @property
    def is_copied(self) -> bool:
        """Whether the invocations are copies; otherwise the library's constructor creates each."""
        return self._copies is not None

    def create(self, context: Context, conversation: str | None) -> Inference:
        """Create an invocation by the library's constructor; arguments as for `invocation`."""
        backend = self.backend
        invocation = Inference(
            backend.tracer,
            backend.instruments,
            backend.logger,
            backend.completion_hook,
            content_capturing_mode=backend.mode,
            start_span=False,  # the context's span is the call's
            context=context,
            conversation_id=conversation,
            **self._request,
        )
        invocation.backend = backend
        invocation.metric_sets = self._metric_sets
        invocation.has_own_span()
        return invocation


class InferenceTemplates:
    """Templates by request.

    Args:
        backend: dependencies of the invocations.
    """

    def __init__(self, backend: InvocationBackend) -> None:
        self._backend = backend
        self._known: dict[object, InferenceTemplate] = {}
        self._last: tuple[Request, InferenceTemplate] | None = None

    def of(self, request: Request) -> InferenceTemplate:
        """Return the template of a request, which must not be changed afterwards."""
        last = self._last
        if last is not None and last[0] is request:
            return last[1]  # most programs call one model
        key = (
            request["provider"], request["request_model"], request["server_address"], request["server_port"],
            request["operation_name"],
        )  # fmt: skip
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            found = self._known[key] = InferenceTemplate(self._backend, request)
        self._last = request, found
        return found


def with_conversation_id(conversation: str, context: Context) -> Context:
    """Set the library's ambient conversation id; without effect if the library lacks its private module."""
    try:
        from opentelemetry.util.genai._conversation_context import with_conversation_id  # noqa: PLC0415 - may be missing
    except ImportError:
        return context
    return with_conversation_id(conversation, context=context)


_CONVERSATION: Final = next(iter(with_conversation_id("", Context())), "")
"""Context key of the library's ambient conversation id; empty if the library has none."""
