"""Spans of a compile as the instrumentation records them, without DSPy: input of the terminal's progress."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import TracerProvider

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer
    from opentelemetry.util.types import AttributeValue

COMPILE_ID = "c" * 32


@dataclass(frozen=True)
class SpokenCompile:
    """Speaks the spans of one compile."""

    tracer: Tracer
    compile_id: str = COMPILE_ID

    @contextmanager
    def running(self, optimizer: str = "MIPROv2", **start: AttributeValue) -> Generator[None]:
        """Let a compile run; `start` are further attributes, with `__` for the dots."""
        with self._span(
            "compile", {"dspy.optimizer.name": optimizer, "dspy.program.name": "Classify", **_dotted(start)}
        ):
            yield

    def setup(self, parameters: Mapping[str, AttributeValue]) -> None:
        """Emit the optimizer's parameters."""
        with self._span("setup", {f"dspy.optimizer.parameter.{name}": value for name, value in parameters.items()}):
            pass

    @contextmanager
    def phase(self, name: str) -> Generator[None]:
        """Let a phase run."""
        with self._span("phase", {"dspy.phase.name": name}):
            yield

    @contextmanager
    def trial(self, index: int, **end: AttributeValue) -> Generator[None]:
        """Let a trial run; `end` adds to or changes the attributes at its end, with `__` for the dots."""
        usage = {"input_tokens": 1000 * (index + 1), "output_tokens": 10, "lm_calls": 4, "cache_hits": 0, "cost": 0.0}
        recorded = {
            "dspy.trial.kind": "candidate",
            "dspy.trial.state": "complete",
            **{f"dspy.usage.{name}": value for name, value in usage.items()},
            **_dotted(end),
        }
        with self._span("trial", {"dspy.trial.index": index}, recorded):
            yield

    def example(self, trial: int, **start: AttributeValue) -> None:
        """Let one example of a trial be scored, in a trace of its own."""
        with self._span("example", {"dspy.trial.index": trial, **_dotted(start)}):
            pass

    @contextmanager
    def _span(
        self, operation: str, start: Mapping[str, AttributeValue], end: Mapping[str, AttributeValue] | None = None
    ) -> Generator[None]:
        facts = {"dspy.operation.name": operation, "dspy.compile.id": self.compile_id, **start}
        with self.tracer.start_as_current_span(operation, attributes=facts) as span:
            yield
            span.set_attributes(end or {})


def speaking_to(processor: SpanProcessor, compile_id: str = COMPILE_ID) -> SpokenCompile:
    """Give a compile whose spans go to `processor`."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return SpokenCompile(provider.get_tracer("test"), compile_id)


def _dotted(names: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    return {name.replace("__", "."): value for name, value in names.items()}
