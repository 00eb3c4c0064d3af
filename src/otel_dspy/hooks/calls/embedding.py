"""Hook for embedders: `embeddings` spans of opentelemetry-util-genai."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.context import create_key, get_value, set_value
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.lm.call_result import read_cost
from otel_dspy.hooks.lm.usage_totals import add_to_totals, measure_usage, usage_labels
from otel_dspy.hooks.metric.metric_name import metric_name
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_async_call, wrap_call
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.enclosing_call import within_call
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.call_context import call_context_in, context_for_call
from otel_dspy.telemetry.genai.invocations import end_invocation
from otel_dspy.telemetry.secrets.scrubber import host_and_port
from otel_dspy.telemetry.tallies.usage_tally import CallUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry


_CALL: Final = create_key("otel_dspy.embedder")
"""Context key of the hook of the running embedder call."""


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `dspy.Embedder.__call__` and `acall`, and the litellm client that they use, to count the tokens."""
    from dspy.clients import embedding  # noqa: PLC0415 - dspy is imported when it is instrumented
    from dspy.clients.embedding import Embedder  # noqa: PLC0415

    def create_hook(_wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook:
        return _EmbeddingHook(telemetry, instance, args, kwargs)

    patches.wrap(Embedder, "__call__", wrap_call(create_hook))
    patches.wrap(Embedder, "acall", wrap_async_call(create_hook))
    if hasattr(embedding, "_get_litellm"):  # DSPy before 3.4 has it imported
        patches.wrap(embedding, "_get_litellm", _recording_client)


def provider_and_model(embedder: Any) -> tuple[str, str | None]:
    """Return `gen_ai.provider.name` and `gen_ai.request.model`, from DSPy's `provider/model`.

    For a user's function the model is the function's name, and the provider is the embedder's class in lower case.
    """
    model = embedder.model
    own = type(embedder).__name__.lower()
    if not isinstance(model, str):
        return own, metric_name(model)
    provider, slash, name = model.partition("/")
    return (provider, name) if slash else (own, model)


def _recording_client(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    with hidden_frame:
        litellm = wrapped(*args, **kwargs)
    call = get_value(_CALL)
    return _RecordingClient(litellm, call) if isinstance(call, _EmbeddingHook) else litellm


class _RecordingClient:
    """Proxy of litellm for one embedder call, which records the usage of the responses."""

    def __init__(self, litellm: Any, call: _EmbeddingHook) -> None:
        self._litellm = litellm
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._litellm, name)

    def embedding(self, **asked: Any) -> Any:
        """Request the embeddings of one batch."""
        with hidden_frame:
            return self._call.answered(self._litellm.embedding(**asked))

    async def aembedding(self, **asked: Any) -> Any:
        """Request the embeddings of one batch."""
        with hidden_frame:
            answer = self._litellm.aembedding(**asked)
            return self._call.answered(await answer if inspect.isawaitable(answer) else answer)


class _EmbeddingHook(CallHook):
    part = "the span of an embedder"

    def __init__(self, telemetry: Telemetry, embedder: Any, args: Args, kwargs: Kwargs) -> None:
        self._telemetry = telemetry
        self._embedder = embedder
        self._inputs: Any = args[0] if args else kwargs.get("inputs")
        self._kwargs = kwargs
        self._cost: float | None = None
        self._unpriced = False

    @override
    def open(self) -> Context:
        defaults = cast("Mapping[str, Any]", getattr(self._embedder, "default_kwargs", None) or {})
        keywords = {**defaults, **self._kwargs}
        self._telemetry.secrets.learn_from(keywords)
        self._telemetry.secrets.learn_held(self._embedder)
        host, port = host_and_port(str(keywords.get("api_base") or keywords.get("base_url") or ""))
        provider, model = provider_and_model(self._embedder)
        context = context_for_call(self._embedder)
        self._place = call_context_in(context)
        self._labels = usage_labels(model, self._place.compile)
        self._invocation = self._telemetry.genai.embedding(
            provider,
            request_model=model,
            server_address=host,
            server_port=port,
            context=context,
        )
        count = _count(self._inputs)
        if count is not None:
            self._invocation.attributes[semconv.DSPY_EMBEDDINGS_COUNT] = count
        return set_value(_CALL, self, within_call(self._invocation.span, self._invocation.context))

    def answered(self, response: Any) -> Any:
        """Add the tokens and the cost of a batch's response to the span, and return the response."""
        with guarded("the tokens of an embedder"):
            tokens: object = getattr(getattr(response, "usage", None), "prompt_tokens", None)
            # A response from litellm's own cache contains the usage of the original request.
            hidden = cast("Mapping[str, Any]", getattr(response, "_hidden_params", None) or {})
            if isinstance(tokens, int) and not hidden.get("cache_hit"):
                self._invocation.input_tokens = (self._invocation.input_tokens or 0) + tokens
                # MLflow excludes spans without output tokens from the total of the trace.
                self._invocation.attributes[gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS] = 0
                cost = read_cost(hidden.get("response_cost"))
                if cost is None:
                    self._unpriced = True
                else:
                    self._cost = (self._cost or 0.0) + cost
        return response

    @override
    def record_result(self, result: Any) -> None:
        shape = getattr(result, "shape", None)
        if isinstance(shape, tuple) and shape:
            self._invocation.dimension_count = int(cast("tuple[Any, ...]", shape)[-1])

    @override
    def close(self, error: BaseException | None) -> None:
        with guarded("the usage of an embedder"):
            self._count()
        end_invocation(self._telemetry, self._invocation, error)

    def _count(self) -> None:
        model: object = self._embedder.model
        if not isinstance(model, str):
            return  # a function, which calls no provider
        cost = None if self._unpriced else self._cost
        if cost is not None:
            self._invocation.attributes[semconv.DSPY_LM_COST] = cost
        usage = CallUsage(self._invocation.input_tokens or 0, 0, cost, unpriced=self._unpriced, embedding=True)
        add_to_totals(
            self._invocation.attributes,
            usage,
            tally=self._place.usage,
            role=self._place.role,
            model=self._telemetry.model_names.of(model),
        )
        measure_usage(self._telemetry, usage, self._labels)


def _count(inputs: object) -> int | None:
    if isinstance(inputs, str):
        return 1
    return len(cast("list[Any]", inputs)) if isinstance(inputs, list | tuple) else None
