"""Inference invocation of opentelemetry-util-genai that skips work without an observable effect.

The recorded attributes are exactly those of the library. The subclass overrides private methods; if the library renames
them, calls take longer but record the same.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.context import get_value
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.util.genai.invocation import CLIENT_INFERENCE_CONTEXT_KEY, InferenceData, InferenceInvocation
from opentelemetry.util.genai.types import ContentCapturingMode
from typing_extensions import override

from otel_dspy.serialization.json_text import json_encoder
from otel_dspy.telemetry.deferred.aggregation_cache import AttributeSet

if TYPE_CHECKING:
    from opentelemetry._logs import Logger
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer
    from opentelemetry.util.genai._instruments import _Instruments
    from opentelemetry.util.genai.completion_hook import CompletionHook
    from opentelemetry.util.genai.types import Error
    from opentelemetry.util.types import AttributeValue


class Inside(InferenceData):
    """Data of instrumented calls inside an inference call; cheap to create, because the class has the defaults."""

    def __init__(self) -> None:
        self.attributes = {}
        self.metric_attributes = {}

    def is_touched(self) -> bool:
        """Return whether something has been set."""
        # Faster than a comparison of all fields: what has not been set is not in the instance's dictionary.
        return len(vars(self)) > _OWN_FIELDS or bool(self.attributes or self.metric_attributes)


_MOST_SETS: Final = 64
"""Models, as responses name them, whose sets of metric attributes are kept for a request."""
_OWN_FIELDS: Final = len(vars(Inside()))
_ON_SPANS: Final = (ContentCapturingMode.SPAN_ONLY, ContentCapturingMode.SPAN_AND_EVENT)


def emits_events(mode: ContentCapturingMode) -> bool | None:
    """Return whether the library emits a log event for a call, by its own rule for environment and mode.

    None if the library lacks the function that has the rule.
    """
    try:
        from opentelemetry.util.genai._inference_invocation import (  # noqa: PLC0415 - may be missing
            _should_emit_event,  # pyright: ignore[reportPrivateUsage] - see above
        )
    except ImportError:
        return None
    return _should_emit_event(mode)


def inside_inference(context: Context | None) -> bool:
    """Return whether the context has an open inference call of another instrumentation."""
    return isinstance(get_value(CLIENT_INFERENCE_CONTEXT_KEY, context), InferenceData)


class InvocationBackend(NamedTuple):
    """Dependencies of the library's invocations."""

    tracer: Tracer
    instruments: _Instruments
    logger: Logger
    completion_hook: CompletionHook
    mode: ContentCapturingMode
    emits_events: bool


class Inference(InferenceInvocation):
    """Inference invocation that skips work with no observable effect."""

    backend: InvocationBackend
    """Dependencies that it was created with."""
    metric_sets: dict[object, AttributeSet]
    """Attributes of measurements by the data that they are of, shared by the invocations of a request."""
    is_completable: Final = hasattr(InferenceInvocation, "_apply_finish")
    """Whether the library has the method that `complete` calls."""
    measured = True
    """Whether to record duration and tokens; False if an enclosing call of another provider records them."""

    def has_own_span(self) -> None:
        """Record the metrics of chunks too, which the library does for spans that it has started."""
        self._start_span = True

    def set_start(self, context: Context, started: float) -> None:
        """Set the start time, of `timeit.default_timer`, and the context of the calls inside."""
        self._span_context = context
        self._context_key = None  # otherwise the library derives a context at the end, which nothing uses
        self._monotonic_start_s = started

    def add_chunk(self, at: float) -> None:
        """Add a chunk of a streamed response, received at time `at` of `timeit.default_timer`."""
        self._request_stream = True
        self._on_stream_chunk(at)

    @override
    def _record_client_metrics(self) -> None:
        if self.measured:
            super()._record_client_metrics()

    @override
    def _get_metric_attributes(self) -> dict[str, AttributeValue]:
        if self.metric_attributes:
            return super()._get_metric_attributes()
        data, known = self.data, self.metric_sets
        key = (data.provider_name, data.request_model, data.response_model, data.server_address, data.server_port)
        found = known.get(key)
        if found is None:
            if len(known) >= _MOST_SETS:
                known.clear()
            found = known[key] = AttributeSet(super()._get_metric_attributes())
        return found

    @override
    def enrich_from_context(self, data: InferenceData) -> None:
        """Add the data of instrumented calls inside, if there were any."""
        if type(data) is not Inside or data.is_touched():
            super().enrich_from_context(data)

    @override
    def _get_message_attributes(self, *, for_span: bool) -> dict[str, Any]:
        if not for_span or self.system_instruction or self.tool_definitions or self.prompt_variables:
            return super()._get_message_attributes(for_span=for_span)
        if self.backend.mode not in _ON_SPANS:
            return {}
        # The library serializes a deep copy of every message; the text is the same.
        attributes: dict[str, Any] = {}
        given, answered = self.input_messages, self.output_messages
        if given:
            attributes[gen_ai.GEN_AI_INPUT_MESSAGES] = _encode(given)
        if answered:
            attributes[gen_ai.GEN_AI_OUTPUT_MESSAGES] = _encode(answered)
        return attributes

    def complete(self, error: Error | None) -> None:
        """Set the final attributes and record the metrics, like `stop` and `fail`, but leave the span open.

        Call it once, in place of them, and only if `is_completable`.

        Args:
            error: what the call raised, if anything.
        """
        self._apply_finish(error)

    @override
    def _apply_finish(self, error: Error | None = None) -> None:
        if self.span.is_recording() or self.backend.emits_events:
            super()._apply_finish(error)
            return
        # A span that is not recorded needs no attributes or messages; metrics are recorded for every call.
        if error is not None:
            self._apply_error_attributes(error)
        inside = get_value(CLIENT_INFERENCE_CONTEXT_KEY, context=self._span_context)
        if isinstance(inside, InferenceData):
            self.enrich_from_context(inside)
        self._record_client_metrics()


def _plain(value: object) -> object:
    return b64encode(value).decode() if isinstance(value, bytes) else vars(value)


_encode_parts: Final = json_encoder(json.JSONEncoder(separators=(",", ":"), default=vars))
_encode_media: Final = json_encoder(json.JSONEncoder(separators=(",", ":"), default=_plain))


def _encode(messages: object) -> str:
    """Serialize messages like the library."""
    try:
        return _encode_parts(messages)  # without a call of a function of Python for each message and part
    except TypeError:  # bytes of an image, a sound or a file
        return _encode_media(messages)
