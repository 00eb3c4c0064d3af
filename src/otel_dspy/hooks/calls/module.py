"""Hook for module calls: a `module` span for each."""

from __future__ import annotations

import weakref
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import SpanKind
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.calls.module_paths import module_paths
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_async_call, wrap_call
from otel_dspy.serialization.plain_data import captured
from otel_dspy.telemetry.call_context import call_context_in, inside
from otel_dspy.telemetry.deferred.aggregation_cache import AttributeSet
from otel_dspy.telemetry.emitter import now
from otel_dspy.telemetry.exceptions import error_type, mark_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AnyValue, AttributeValue

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry

_signatures: Final[weakref.WeakKeyDictionary[type[Any], str]] = weakref.WeakKeyDictionary()
"""Cache of the signatures' texts by class."""
_ITSELF: Final = "self"
"""Path of the program itself."""
_NO_OUTPUT: Final = object()
"""Marks the output of a call that has not returned."""


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `Module.__call__` and `Module.acall`."""
    from dspy import Module, Predict  # noqa: PLC0415 - dspy is imported when it is instrumented

    create_hook = partial(_ModuleHook, telemetry, Predict)  # not a function of Python, which takes longer
    patches.wrap(Module, "__call__", wrap_call(create_hook))
    patches.wrap(Module, "acall", wrap_async_call(create_hook))


def instrumented_program(program: Any) -> int | None:
    """Return the `id` of a program whose calls this hook records; None for other callables.

    A program with its own `__call__` counts as another callable.
    """
    from dspy import Module  # noqa: PLC0415 - dspy is imported when it is instrumented

    if not isinstance(program, Module):
        return None
    defined = next(cls for cls in type(program).__mro__ if "__call__" in vars(cls))
    # DSPy's overrides (`Predict.__call__`) call Module's; a user's override may not.
    return id(program) if defined.__module__.partition(".")[0] == "dspy" else None


class _ModuleHook(CallHook):
    part = "the span of a module"

    _output: Any = _NO_OUTPUT

    def __init__(
        self,
        telemetry: Telemetry,
        predictor: type[Any],
        _wrapped: Callable[..., Any],
        module: Any,
        args: Args,
        kwargs: Kwargs,
    ) -> None:
        self._telemetry = telemetry
        self._predicts = issubclass(type(module), predictor)  # an isinstance check calls DSPy's `__getattribute__`
        self._module = module
        self._args = args
        self._kwargs = kwargs

    @override
    def open(self) -> Context:
        telemetry, module = self._telemetry, self._module
        context = self.caller
        call_context = call_context_in(context)
        self._gate = call_context.gate
        if call_context.gate is not None:
            context = call_context.gate.enter(context, module)
            call_context = call_context_in(context)
        paths = call_context.module_paths
        name = None if paths is None else paths.path(module)
        if paths is None or name is None:
            paths = module_paths(module)
            name = paths.path(module) or _ITSELF
        signature = _signature(module)
        start = _start(type(module).__name__, name, None if signature is None else _signature_text(signature))
        # A predictor accepts a signature for a single call.
        used = self._kwargs.get("signature", signature) if self._predicts else None
        docstring: object = used.__doc__ if isinstance(used, type) else None
        instructions = docstring if isinstance(docstring, str) else None
        self._measured = start.measured
        self._started = now()
        # Samplers may change the attributes.
        self._span = telemetry.tracer.start_span(start.span_name, context, SpanKind.INTERNAL, start.attributes.copy())
        self._capture = telemetry.settings.capture_content and self._span.is_recording()
        if self._capture:
            self._given = captured({"args": list(self._args), **self._kwargs} if self._args else self._kwargs)
        return inside(self._span, call_context.in_module(paths, name, id(module), instructions), context)

    @override
    def record_result(self, result: Any) -> None:
        if self._capture:
            self._output = captured(_output(result))

    @override
    def close(self, error: BaseException | None) -> None:
        attributes: Mapping[str, AttributeValue] = self._measured
        if error is not None:
            attributes = {**attributes, ERROR_TYPE: error_type(error)}
            mark_failed(self._span, error, self._telemetry.content)
        # One item of the deferred queue for the measurement, the content and the end.
        self._telemetry.ends.end_after(
            self._span, self.part, _record, self._telemetry, self._span, now() - self._started, attributes,
            self._attached, (self._given, self._output) if self._capture else None,
        )  # fmt: skip
        if self._gate is not None:
            self._gate.leave(self._module, error)


class _Start(NamedTuple):
    """What the spans of a module's calls start with.

    Attributes:
        span_name: the spans' name.
        attributes: their attributes; must not be changed.
        measured: metric attributes of a call that did not raise, the same object for a class name.
    """

    span_name: str
    attributes: dict[str, AttributeValue]
    measured: AttributeSet


@lru_cache(maxsize=1024)
def _start(kind: str, name: str, signature: str | None) -> _Start:
    """Return the start of a call, cached by the module's class name, its path and its signature's text."""
    attributes: dict[str, AttributeValue] = {
        semconv.DSPY_OPERATION_NAME: "module",
        semconv.DSPY_MODULE_TYPE: kind,
        semconv.DSPY_MODULE_NAME: name,
    }
    if signature is not None:
        attributes[semconv.DSPY_MODULE_SIGNATURE] = signature
    return _Start(semconv.SPAN_DSPY_MODULE.format(kind), attributes, _measured(kind))


@lru_cache(maxsize=1024)
def _measured(kind: str) -> AttributeSet:
    return AttributeSet({semconv.DSPY_MODULE_TYPE: kind})


def _record(  # noqa: PLR0913, PLR0917 - the measurement and the content
    telemetry: Telemetry,
    span: Span,
    seconds: float,
    attributes: Mapping[str, AttributeValue],
    context: Context | None,
    content: tuple[AnyValue, AnyValue] | None,
) -> None:
    telemetry.instruments.module_duration.record(seconds, attributes, context)
    if content is None:
        return
    given, output = content
    texts: dict[str, AttributeValue] = {}
    telemetry.content.put_plain(texts, semconv.DSPY_MODULE_INPUT, given)
    if output is not _NO_OUTPUT:
        telemetry.content.put_plain(texts, semconv.DSPY_MODULE_OUTPUT, output)
    span.set_attributes(texts)


def _signature(module: Any) -> type[Any] | None:
    try:
        signature = getattr(module, "signature", None)
    except Exception:  # a user's property may raise anything
        return None
    # Annotated, because `cast` is a function call.
    given: Any = signature
    return given if isinstance(signature, type) else None


def _signature_text(signature: type[Any]) -> str | None:
    # Cached, because DSPy builds the text on each access and a signature's fields don't change.
    text = _signatures.get(signature)
    if text is None:
        text = getattr(signature, "signature", None)
        if not isinstance(text, str):
            return None
        _signatures[signature] = text
    return text


def _output(result: Any) -> Any:
    # bootstrap_trace_data makes a program return (prediction, trace); the trace repeats the child spans.
    given: Any = result
    return _output(given[0]) if isinstance(result, tuple) and result else given
