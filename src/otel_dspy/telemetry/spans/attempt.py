"""Spans of the attempts of a module that calls another module several times (BestOfN, Refine)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import get_current_span

from otel_dspy import semconv
from otel_dspy.telemetry.call_context import call_context_in, inside
from otel_dspy.telemetry.exceptions import mark_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from otel_dspy.telemetry.emitter import Telemetry


class AttemptGate:
    """Starts and ends attempt spans around the direct calls of a retrying module.

    DSPy has no function for an attempt. An attempt lasts from a call of the inner module to the next such call, so that
    the calls of the reward function and Refine's request for advice are part of the attempt that they concern.

    Args:
        telemetry: the telemetry facade.
        kind: class name of the retrying module.
        key: `id` of the retrying module.
        begins: returns whether a call of this module starts a new attempt.
    """

    def __init__(self, telemetry: Telemetry, kind: str, key: int, begins: Callable[[object], bool]) -> None:
        self.key = key
        self._telemetry = telemetry
        self._kind = kind
        self._begins = begins
        self._around: Span | None = None
        self._count = 0
        self._span: Span | None = None
        self._answered = True

    def enter(self, context: Context, called: object) -> Context:
        """Return the context inside the attempt that the call starts or belongs to."""
        around = get_current_span(context)
        if self._around is None:
            self._around = around
        if around is not self._around:
            return context  # the parent is a span of the user
        if self._answered:
            self._answered = not self._begins(called)
            if not self._answered:
                self._start(context)
        if self._span is None:
            return context
        return inside(self._span, call_context_in(context)._replace(gate=None), context)

    def leave(self, called: object, error: BaseException | None) -> None:
        """Record the error of a module's call, if it raised."""
        del called
        if error is not None and not self._answered:
            self.failed(error)

    def rewarded(self, reward: float | None) -> None:
        """Set the reward of the open attempt; None if it is not a number."""
        self._answered = True
        if self._span is not None and reward is not None:
            self._span.set_attribute(semconv.DSPY_ATTEMPT_REWARD, reward)

    def failed(self, error: BaseException) -> None:
        """Record an error of the module or the reward function, after which the retrying module may continue."""
        self._answered = True
        if self._span is not None:
            mark_failed(self._span, error, self._telemetry.content)

    def close(self, error: BaseException | None) -> None:
        """End the open attempt when the retrying module ends."""
        if error is not None and not self._answered:
            self.failed(error)
        self._end()

    def _start(self, context: Context) -> None:
        self._end()
        self._span = self._telemetry.tracer.start_span(
            semconv.SPAN_DSPY_ATTEMPT.format(self._kind),
            context=context,
            attributes={
                semconv.DSPY_OPERATION_NAME: "attempt",
                semconv.DSPY_MODULE_TYPE: self._kind,
                semconv.DSPY_ATTEMPT_INDEX: self._count,
            },
        )
        self._count += 1

    def _end(self) -> None:
        if self._span is not None:
            self._telemetry.end_span(self._span)
            self._span = None
