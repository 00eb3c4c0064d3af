"""Hook for gepa's own language model, `gepa.lm.LM`: a `chat` span for each request.

gepa creates one from a model name (`reflection_lm="openai/…"`). If a function is given instead, its calls are recorded
by the instrumentation of the client that it uses, such as `dspy.LM`. Source: `gepa/lm.py` of gepa 0.1.4.
"""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.context import create_key, get_current, get_value, set_value
from opentelemetry.util.genai.invocation import CLIENT_INFERENCE_CONTEXT_KEY
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.lm.call_content import CallContent
from otel_dspy.hooks.lm.call_record import LMCallRecord
from otel_dspy.hooks.lm.call_request import CallRequest
from otel_dspy.hooks.lm.call_result import read_result
from otel_dspy.hooks.lm.messages import answers_of
from otel_dspy.hooks.lm.provider_name import full_name, provider_and_model
from otel_dspy.hooks.lm.token_counts import TokenCounts
from otel_dspy.hooks.lm.usage_totals import add_to_totals, usage_labels
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_call
from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.enclosing_call import within_call
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.call_context import call_context_in, with_call_context
from otel_dspy.telemetry.genai.invocations import end_call
from otel_dspy.telemetry.secrets.scrubber import host_and_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.genai.inference_template import Request

_BATCH: Final = create_key("otel_dspy.gepa.batch")
"""Context key of the hook that receives the responses of a batch."""


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `LM.__call__` and `LM.batch_complete`; gepa before 0.1.2 lacks the class."""
    lm = part("gepa.lm:LM")
    if lm is None:
        return

    def call(_wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook:
        return _LMHook(telemetry, instance, [args[0] if args else kwargs["prompt"]], kwargs={})

    def batch(_wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook:
        _instrument_litellm(patches)
        given = dict(kwargs)
        asked = args[0] if args else given.pop("messages_list")
        return _LMHook(telemetry, instance, asked, given)

    patches.wrap(lm, "__call__", wrap_call(call))
    patches.wrap(lm, "batch_complete", wrap_call(batch))


def _instrument_litellm(patches: Patches) -> None:
    """Wrap `litellm.batch_completion`, whose responses gepa does not return. gepa imports litellm in the same call."""
    litellm = import_module("litellm")
    if not patches.wraps(litellm, "batch_completion"):
        patches.wrap(litellm, "batch_completion", _responses)


def _responses(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    with hidden_frame:
        responses: Any = wrapped(*args, **kwargs)
    batch = get_value(_BATCH)
    if isinstance(batch, _LMHook):
        batch.responses = cast("list[Any]", responses) if isinstance(responses, list) else None
    return cast("Any", responses)


class _LMHook(CallHook):
    """Records one call of `gepa.lm.LM`, which makes a request for each prompt.

    Args:
        telemetry: provides the tracer, the instruments and the content settings.
        lm: gepa's model, which sums tokens and cost of all its calls.
        prompts: a text or a list of messages for each request.
        kwargs: keywords of this call, in addition to those of the model.
    """

    part = "the span of an LM call by gepa"

    def __init__(self, telemetry: Telemetry, lm: Any, prompts: Sequence[Any], kwargs: Kwargs) -> None:
        self._telemetry = telemetry
        self._lm = lm
        self._prompts = prompts
        self._keywords: dict[str, Any] = {**(getattr(lm, "completion_kwargs", None) or {}), **kwargs}
        self._outputs: list[Any] = []
        self.responses: list[Any] | None = None

    @override
    def open(self) -> Context:
        telemetry, keywords = self._telemetry, self._keywords
        telemetry.secrets.learn_from(keywords)
        telemetry.secrets.learn_held(self._lm)
        provider, model = provider_and_model(self._lm)
        host, port = host_and_port(str(keywords.get("api_base") or keywords.get("base_url") or ""))
        request: Request = {
            "provider": provider,
            "request_model": model,
            "server_address": host,
            "server_port": port,
            "operation_name": "chat",
        }
        context = get_current()
        self._call_context = call_context_in(context)
        self._model = telemetry.model_names.of(full_name(self._lm))
        self._labels = usage_labels(model, self._call_context.compile)
        self._before = self._totals()
        self._calls = [telemetry.genai.call(context, request) for _ in self._prompts]
        self._requests = [self._request(prompt) for prompt in self._prompts]
        if len(self._calls) == 1:
            [call] = self._calls
            context = telemetry.others.context_inside(CLIENT_INFERENCE_CONTEXT_KEY, call.context)
            context = within_call(call.span, context)
        return set_value(_BATCH, self, with_call_context(self._call_context.in_lm_call(self), context))

    def _request(self, prompt: Any) -> CallRequest:
        asked = {**self._keywords, **({} if isinstance(prompt, str) else {"messages": prompt})}
        text = prompt if isinstance(prompt, str) else None
        return CallRequest.of(asked, text, content=self._telemetry.messages_wanted)

    def _totals(self) -> tuple[int, int, float]:
        return self._lm.total_tokens_in, self._lm.total_tokens_out, self._lm.total_cost

    @override
    def record_result(self, result: Any) -> None:
        self._outputs = cast("list[Any]", result) if isinstance(result, list) else [result]

    @override
    def close(self, error: BaseException | None) -> None:
        records = self._records()
        for index, (call, request) in enumerate(zip(self._calls, self._requests, strict=True)):
            usage = records[index].billed()
            if usage.cost is not None:
                call.attributes[semconv.DSPY_LM_COST] = usage.cost
            add_to_totals(
                call.attributes,
                usage,
                tally=self._call_context.usage,
                role=self._call_context.role,
                model=self._model,
            )
            content = CallContent(self._telemetry, request, records[index], None, usage, self._labels)
            if index < len(self._outputs) and request.content:
                content.answers = answers_of(self._outputs[index])
            end_call(self._telemetry, call, error, content)

    def _records(self) -> list[LMCallRecord]:
        """Return the result of each request, read from its response, or from gepa's totals for a single request."""
        responses = self.responses or []
        if responses and len(responses) == len(self._calls):
            return [_record_of(response) for response in responses]
        if len(self._calls) > 1:
            return [LMCallRecord() for _ in self._calls]
        given, got, cost = (now - before for now, before in zip(self._totals(), self._before, strict=True))
        if not given and not got:
            return [LMCallRecord()]
        # gepa counts an unknown price as 0.
        return [LMCallRecord(usage=TokenCounts(int(given), int(got)), cost=cost or None)]


def _record_of(response: Any) -> LMCallRecord:
    cost = None
    with guarded("the price of an LM call by gepa"):
        cost = _price(response)
    return read_result(SimpleNamespace(usage=getattr(response, "usage", None), responses=[response], cost=cost))


def _price(response: Any) -> float | None:
    completion_cost = cast("Any", import_module("litellm")).completion_cost
    try:
        return completion_cost(completion_response=response) or None
    except Exception:  # litellm raises it for a model without a price
        return None
