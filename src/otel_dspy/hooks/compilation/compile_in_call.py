"""Hook for a compile inside a program's call by an optimizer without trials, recorded as part of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from otel_dspy.hooks.metric.metric_name import metric_name
from otel_dspy.hooks.patching.call_hook import CallHook
from otel_dspy.serialization.programs import program_name
from otel_dspy.telemetry.spans.compile import CompileInfo
from otel_dspy.telemetry.spans.compile_in_call import close_compile_in_call, open_compile_in_call

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from otel_dspy.telemetry.emitter import Telemetry


class CompileInCallHook(CallHook):
    """Records a compile that a program runs for a single input, as KNNFewShot's program does in each call.

    Args:
        telemetry: the emitter of spans, events and metrics.
        optimizer: the instance whose `compile` is called.
        student: the program that it compiles.
    """

    part = "the span of a compile inside a call"

    def __init__(self, telemetry: Telemetry, optimizer: Any, student: Any) -> None:
        self._telemetry = telemetry
        self._info = CompileInfo(
            key=id(optimizer),
            optimizer_name=type(optimizer).__name__,
            program_name=program_name(student),
            metric_name=metric_name(getattr(optimizer, "metric", None)),
        )

    @override
    def open(self) -> Context:
        self._compiling = open_compile_in_call(self._telemetry, self._info)
        return self._compiling.context

    @override
    def close(self, error: BaseException | None) -> None:
        close_compile_in_call(self._telemetry, self._compiling, error)
