"""Hook for phases of a compile: a `phase` span around a method of the optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from opentelemetry.context import get_current
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.patching.call_hook import CallHook
from otel_dspy.serialization.datasets import fields
from otel_dspy.serialization.plain_data import has_method, plain
from otel_dspy.telemetry.call_context import call_context_in, inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.tallies.lm_roles import Role


class PhaseHook(CallHook):
    """Records one phase.

    Args:
        telemetry: provides the tracer and the content settings.
        scope: the compile.
        name: `dspy.phase.name`.
        product: the content attribute of the phase's result; None to not record it.
        context: the parent context; None for the caller's.
    """

    part = "the span of a phase"
    index: int | None = None
    """`dspy.phase.index`; None if the phase is not repeated. Set it before `open`."""
    role: Role | None = None
    """`dspy.lm.role` of LM calls directly in the phase; None to inherit it."""
    predictors: Sequence[str] = ()
    """Paths of the program's predictors, for a result by their indexes. Set them before `returned`."""

    def __init__(
        self,
        telemetry: Telemetry,
        scope: CompileScope,
        name: str,
        product: str | None,
        *,
        context: Context | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._scope = scope
        self._name = name
        self._product = product
        self._context = context

    @override
    def open(self) -> Context:
        context = get_current() if self._context is None else self._context
        self._span = self._telemetry.tracer.start_span(
            semconv.SPAN_DSPY_PHASE.format(self._name),
            context=context,
            attributes={
                semconv.DSPY_OPERATION_NAME: "phase",
                semconv.DSPY_COMPILE_ID: self._scope.id,
                semconv.DSPY_OPTIMIZER_NAME: self._scope.optimizer_name,
                semconv.DSPY_PHASE_NAME: self._name,
            },
        )
        if self.index is not None:
            self._span.set_attribute(semconv.DSPY_PHASE_INDEX, self.index)
        call_context = call_context_in(context)
        return inside(self._span, call_context if self.role is None else call_context._replace(role=self.role), context)

    @override
    def record_result(self, result: Any) -> None:
        if self._product is not None and result is not None and self._telemetry.settings.capture_programs:
            self._telemetry.put_content_payload(self._span, self._product, plain(_plain(self._by_path(result))))

    def _by_path(self, result: Any) -> Any:
        if not isinstance(result, dict):
            return result
        paths = dict(enumerate(self.predictors))
        return {paths.get(key, key): item for key, item in cast("dict[Any, Any]", result).items()}

    @override
    def close(self, error: BaseException | None) -> None:
        self._telemetry.end_span(self._span, error)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[Any]", value)]
    return fields(value) if has_method(value, "toDict") else value
