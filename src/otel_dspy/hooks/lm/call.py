"""Hook for language model calls: `chat` spans of opentelemetry-util-genai, with cost, cache hits and retries added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current, set_value
from opentelemetry.util.genai.invocation import CLIENT_INFERENCE_CONTEXT_KEY
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.lm import legacy_responses
from otel_dspy.hooks.lm.call_budget import check_budget
from otel_dspy.hooks.lm.call_content import CallContent
from otel_dspy.hooks.lm.call_request import CallRequest
from otel_dspy.hooks.lm.call_result import read_result
from otel_dspy.hooks.lm.messages import answers_of, fields_of
from otel_dspy.hooks.lm.nested_usage import OwnUsage
from otel_dspy.hooks.lm.request_target import request_target
from otel_dspy.hooks.lm.usage_totals import add_to_totals, usage_labels
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_async_override, wrap_call
from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.hooks.patching.subclasses import wrap_with_subclasses
from otel_dspy.hooks.patching.wrapper_frames import drop_caller_frame, hidden_frame
from otel_dspy.runtime.error_guard import guarded, report
from otel_dspy.telemetry.call_context import call_context_in, current_call_context, inside
from otel_dspy.telemetry.genai.invocations import end_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from otel_dspy.hooks.lm.call_record import LMCallRecord
    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.call_context import CallContext
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.tallies.lm_roles import Role


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `BaseLM.__call__` and `acall`, including overrides in subclasses, and the functions that produce results."""
    from dspy.clients.base_lm import BaseLM  # noqa: PLC0415 - dspy is imported when it is instrumented

    execution = part("dspy.clients.execution")
    counted = execution is not None

    def create_hook(_wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
        call_context = current_call_context()
        running = _call_at(call_context)
        if running is not None and running.has_part(instance):
            return None
        if call_context.compile is not None:
            check_budget(call_context)
        return LMHook(telemetry, instance, args, kwargs, attempts_counted=counted)

    wrap_with_subclasses(patches, BaseLM, "__call__", lambda _: wrap_call(create_hook))
    wrap_with_subclasses(patches, BaseLM, "acall", lambda own: wrap_async_override(create_hook, own))
    if execution is None:
        legacy_responses.install(patches, current_call)
        patches.lacking("dspy.clients.execution (retries, time to first chunk)")
        return
    patches.wrap(execution, "finalize", _finalize)
    patches.wrap(execution, "_attempt", _attempt)
    patches.wrap(execution, "_aattempt", _aattempt)
    for module in (execution, part("dspy.clients.lm")):  # the second one streams through litellm
        patches.wrap(module, "stream_emitted", _stream_emitted)


def current_call() -> LMHook | None:
    """Return the hook of the running call of a language model; None outside of calls."""
    return _call_at(current_call_context())


def _call_at(call_context: CallContext) -> LMHook | None:
    call = call_context.lm_call
    return call if isinstance(call, LMHook) else None


def _finalize(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    try:  # no `guarded`, which takes three calls of functions
        call = _call_at(call_context_in(get_current()))
        if call is not None:
            call.finalized(*args, **kwargs)
    except Exception as failure:
        report("the result of an LM call", failure)
    try:  # no `hidden_frame`, whose two methods take longer
        return wrapped(*args, **kwargs)
    except BaseException as error:
        drop_caller_frame(error)
        raise


def _attempt(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    try:
        return wrapped(*args, **kwargs)
    except BaseException as error:
        if issubclass(type(error), Exception):
            _count_failure()
        drop_caller_frame(error)
        raise


async def _aattempt(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    try:
        return await wrapped(*args, **kwargs)
    except BaseException as error:
        if issubclass(type(error), Exception):
            _count_failure()
        drop_caller_frame(error)
        raise


def _stream_emitted(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    with guarded("the chunks of a stream"):
        call = current_call()
        if call is not None:
            call.chunk_arrived()
    with hidden_frame:
        return wrapped(*args, **kwargs)


def _count_failure() -> None:
    with guarded("counting an LM call's retries"):
        call = current_call()
        if call is not None:
            call.failed_attempts += 1


class LMHook(CallHook):
    """Instruments one call of a language model.

    A nested call of the same model (`super().__call__`) belongs to this call. A nested call of another model gets a
    child span, which records its usage (see `OwnUsage`).

    Args:
        telemetry: provides the tracer, the instruments and the content settings.
        lm: the language model.
        args: positional arguments of the call; the first one is its prompt.
        kwargs: keywords of the call.
        attempts_counted: whether failed attempts are reported to the hook.
    """

    part = "the span of an LM call"
    # Class attributes, because a hook is created for every call.
    _outputs: Any = None
    _ended = False
    _request: CallRequest | None = None
    failed_attempts = 0
    cached: object = None
    read: object = None

    def __init__(self, telemetry: Telemetry, lm: Any, args: Args, kwargs: Kwargs, *, attempts_counted: bool) -> None:
        self._telemetry = telemetry
        self._attempts_counted = attempts_counted
        self._lm = lm
        self._args = args
        self._kwargs = kwargs
        self._own_usage = OwnUsage()

    @override
    def open(self) -> Context:
        telemetry, lm = self._telemetry, self._lm
        keywords: dict[str, Any] = {**(getattr(lm, "kwargs", None) or {}), **self._kwargs}
        telemetry.secrets.learn_from(keywords)
        telemetry.secrets.learn_held(lm)
        target = request_target(lm, keywords)
        self._model = telemetry.model_names.of(target.name)
        context = self.caller
        call_context = call_context_in(context)
        if call_context.gate is not None:
            context = call_context.gate.enter(context, lm)
            call_context = call_context_in(context)
        self._enclosing = _call_at(call_context)
        if self._enclosing is not None:
            # opentelemetry-util-genai treats a nested inference call as a duplicate of the outer one.
            context = set_value(CLIENT_INFERENCE_CONTEXT_KEY, None, context)
        call = telemetry.genai.call(context, target.request)
        self._call = call
        if call.span.is_recording():
            prompt = self._args[0] if self._args else self._kwargs.get("prompt")
            self._request = CallRequest.of(keywords, prompt, content=telemetry.messages_wanted)
        self._usage = call_context.usage
        self._module = call_context.predictor
        self._prompt = call_context.prompt
        self._role: Role = call_context.role
        self._labels = usage_labels(target.request["request_model"], call_context.compile)
        context = telemetry.others.context_inside(CLIENT_INFERENCE_CONTEXT_KEY, call.context)
        return inside(call.span, call_context.in_lm_call(self), context)

    def finalized(self, lm: Any, _call: Any, result: Any) -> None:
        """Record the result that DSPy has read from the response, if it is of this hook's model.

        Args:
            lm: the model that made the request.
            _call: DSPy's request.
            result: DSPy's result.
        """
        if lm is self._lm:
            self._own_usage.report(read_result(result))

    def record(self, lm: Any, record: LMCallRecord) -> None:
        """Record the result of the call, or of a part of it, if it is of this hook's model."""
        if lm is self._lm:
            self._own_usage.report(record)

    def has_part(self, lm: Any) -> bool:
        """Return whether a nested call of `lm` belongs to this call; False after its end, for threads that continue."""
        return lm is self._lm and not self._ended

    def add_nested(self, nested: OwnUsage) -> None:
        """Record the usage of a nested call of another model, which has ended."""
        self._own_usage.add_nested(nested)

    def chunk_arrived(self) -> None:
        """Record the arrival of a chunk of a streamed response, before the listener receives it."""
        self._call.record_stream_chunk()

    @override
    def record_result(self, result: Any) -> None:
        self._outputs = result

    @override
    def close(self, error: BaseException | None) -> None:
        self._ended = True
        record, attributes = self._own_usage.total(), self._call.attributes
        usage = record.billed()
        if self._enclosing is not None:
            self._enclosing.add_nested(self._own_usage)
        if self._module is not None:
            attributes[semconv.DSPY_MODULE_NAME] = self._module
        if self._attempts_counted:
            failures = self.failed_attempts - (0 if error is None else 1)
            attributes[semconv.DSPY_LM_RETRIES] = max(failures, 0)
        if error is None:
            attributes[semconv.DSPY_LM_CACHE_HIT] = record.cache_hit
        if usage.cost is not None:
            attributes[semconv.DSPY_LM_COST] = usage.cost
        add_to_totals(attributes, usage, tally=self._usage, role=self._role, model=self._model)
        content = CallContent(self._telemetry, self._request, record, self._prompt, usage, self._labels)
        if error is None and self._request is not None and self._request.content:
            content.answers = answers_of(self._outputs)
            content.fields = fields_of(self._outputs) or None
        end_call(self._telemetry, self._call, error, content)
