"""Span processor that `autolog` adds to a tracer provider which can replace its processors, as Logfire's can."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from otel_dspy.mlflow import at_exit
from otel_dspy.mlflow.processor import MlflowSpanProcessor

if TYPE_CHECKING:
    from collections.abc import Callable

_DROPPED: Final = (
    "The tracer provider has shut down MLflow's span processor, as logfire.shutdown() and each further "
    "logfire.configure() do: nothing is recorded in MLflow from now on. Call otel_dspy.mlflow.autolog() again to "
    "continue."
)


class JoinedProcessor(MlflowSpanProcessor):
    """Logs a warning before the first span after the provider has shut it down: the provider may not call it then."""

    def __init__(self, before_next_span: Callable[[Callable[[], object]], object]) -> None:
        """Create a processor.

        Args:
            before_next_span: has a function called before the next span of DSPy, whatever its provider does with it.
        """
        super().__init__()
        self._before_next_span = before_next_span

    @override
    def shutdown(self, *, wait: bool = True, end_runs: bool = True) -> None:
        by_provider = not (self.closed or at_exit.is_closing(self)) and threading.main_thread().is_alive()
        super().shutdown(wait=wait, end_runs=end_runs)
        if by_provider:
            self._before_next_span(partial(self._closed_warning.span_started, _DROPPED))
