"""Attempts of a module that tries another one several times: a span each, from the call of the module to its reward."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import get_current_span

from otel_dspy import semconv
from otel_dspy.telemetry.call_context import call_context_in, inside
from otel_dspy.telemetry.failure import mark_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from otel_dspy.telemetry.emitter import Telemetry


class AttemptGate:
    """Stands before the calls that the trying module makes: its attempts, and what it asks between them.

    DSPy has no function for an attempt: one lasts from the call of the module that is tried to the next such call, so
    that a reward's own calls and Refine's request for advice are parts of the attempt that they are about.

    Args:
        telemetry: where it is told.
        kind: class of the module that tries.
        key: its `id`.
        begins: whether the call of this module is a new attempt.
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
        """The context given, inside of the attempt that the call begins or belongs to."""
        around = get_current_span(context)
        if self._around is None:
            self._around = around
        if around is not self._around:
            return context  # under a span of the user's own
        if self._answered and self._begins(called):
            self._end()
            self._answered = False
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
        if self._span is None:
            return context
        return inside(self._span, call_context_in(context)._replace(gate=None), context)

    def leave(self, called: object, error: BaseException | None) -> None:
        """A module that was let in has ended."""
        del called
        if error is not None and not self._answered:
            self.failed(error)

    def rewarded(self, reward: float | None) -> None:
        """The open attempt got its reward; None where it is no number."""
        self._answered = True
        if self._span is not None and reward is not None:
            self._span.set_attribute(semconv.DSPY_ATTEMPT_REWARD, reward)

    def failed(self, error: BaseException) -> None:
        """The module or the reward function raised; the one that tries may go on."""
        self._answered = True
        if self._span is not None:
            mark_failed(self._span, error, self._telemetry.content)

    def close(self, error: BaseException | None) -> None:
        """The trying module has ended."""
        if error is not None and not self._answered:
            self.failed(error)
        self._end()

    def _end(self) -> None:
        if self._span is not None:
            self._span.end()
            self._span = None
