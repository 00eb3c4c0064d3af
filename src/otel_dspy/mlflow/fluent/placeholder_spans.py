"""Placeholders for otel-dspy's spans in MLflow's fluent API, and the trace updates that programs make through it."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, Final, cast

import mlflow
from mlflow.tracing.trace_manager import InMemoryTraceManager
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, format_span_id

from otel_dspy.mlflow.fluent.recorded_span import RecordedSpan
from otel_dspy.mlflow.fluent.scope import ScopedTraces
from otel_dspy.mlflow.records.route import TraceUpdate
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.route import SpanUpdate

MAX_TRACES: Final = 1_000
"""Maximum number of otel-dspy traces in MLflow's trace manager; its spans in them are exported within seconds."""
PREFIX: Final = "tr-"
"""MLflow's prefix for OpenTelemetry's trace id."""


def manager() -> Any:  # noqa: ANN401 - MLflow types it in part
    """Return MLflow's in-memory trace manager."""
    return cast("Any", InMemoryTraceManager).get_instance()


class PlaceholderSpans:
    """Placeholders for otel-dspy's spans in MLflow's trace manager. Thread-safe."""

    def __init__(self) -> None:
        """Create an empty collection."""
        self._ids = _GivenIds()
        self._tracer = TracerProvider(id_generator=self._ids, sampler=ALWAYS_ON, shutdown_on_exit=False).get_tracer(
            __name__
        )
        self._scoped = ScopedTraces(MAX_TRACES)
        self._lock = threading.Lock()
        self._spans: dict[tuple[str, int], RecordedSpan] = {}
        self._registered: BoundedDict[str, bool] = BoundedDict(
            MAX_TRACES, lambda trace_id, _: manager().pop_trace(int(trace_id, 16))
        )
        """otel-dspy traces in MLflow's manager, and whether each has ended."""

    def started(self, trace_id: str) -> None:
        """Keep what `mlflow.tracing.context` sets for a trace that starts, for `update`."""
        self._scoped.started(trace_id)

    def span(self, trace_id: str, span_id: int, root_id: int, experiment_id: str | None) -> trace.Span | None:
        """Return the placeholder for a span, created on first use.

        Args:
            trace_id: the trace's id in MLflow, 32 hex digits.
            span_id: the span's id.
            root_id: id of its trace's root.
            experiment_id: the trace's experiment; None = MLflow's current one.
        """
        with self._lock:
            found = self._spans.get((trace_id, span_id))
            if found is None:
                found = self._spans[trace_id, span_id] = self._started(trace_id, span_id, root_id)
                if self._needs_trace(trace_id):
                    self._register_trace(trace_id, experiment_id or _experiment_id(found))
                self._register_span(found, trace_id)
            return cast("trace.Span", found)

    def ended(self, trace_id: str, span_id: int) -> SpanUpdate | None:
        """Forget the placeholder of a span that has ended.

        Returns:
            The program's updates of it; None = none.
        """
        if not self._spans:
            return None
        with self._lock:
            span = self._spans.pop((trace_id, span_id), None)
        if span is None:
            return None
        with manager().get_trace(f"{PREFIX}{trace_id}") as held:
            if held is not None:
                held.span_dict.pop(format_span_id(span_id), None)
        return span.update()

    def update(self, trace_id: str) -> TraceUpdate | None:
        """Return the program's updates of a trace that ends; None if there are none."""
        return self._scoped.ended(trace_id, self._updated(trace_id))

    def _updated(self, trace_id: str) -> TraceUpdate | None:
        """Return the updates of a trace that `span` has registered; None if it was never registered."""
        if trace_id not in self._registered:
            return None
        self._registered[trace_id] = True
        with manager().get_trace(f"{PREFIX}{trace_id}") as held:
            if held is None:
                return None
            info = held.info
            state: Any = getattr(info.state, "value", info.state)
            return TraceUpdate(
                tags=tuple((str(name), str(value)) for name, value in info.tags.items()),
                metadata=tuple((str(name), str(value)) for name, value in info.trace_metadata.items()),
                request=info.request_preview,
                response=info.response_preview,
                state=state if state in {"OK", "ERROR"} else None,
                client_request_id=info.client_request_id,
                assessments=tuple(json.dumps(one.to_dictionary()) for one in info.assessments),
            )

    def release(self, trace_id: str) -> None:
        """Remove an ended trace from MLflow's manager, which MLflow reads before its store.

        Called only when the program requests the trace: MLflow exports its own spans in it from there, on its own
        thread.
        """
        if self._registered.get(trace_id):
            mlflow.flush_trace_async_logging()
            manager().pop_trace(int(trace_id, 16))
            self._registered.pop(trace_id, None)

    def _needs_trace(self, trace_id: str) -> bool:
        with manager().get_trace(f"{PREFIX}{trace_id}") as held:
            return held is None

    def _register_trace(self, trace_id: str, experiment_id: str) -> None:
        from mlflow.entities import TraceInfo, TraceLocation, TraceState  # noqa: PLC0415 - MLflow 2 has none

        info = TraceInfo(
            trace_id=f"{PREFIX}{trace_id}",
            trace_location=TraceLocation.from_experiment_id(experiment_id),
            request_time=0,
            state=TraceState.IN_PROGRESS,
        )
        manager().register_trace(int(trace_id, 16), info)
        self._registered[trace_id] = False

    def _started(self, trace_id: str, span_id: int, root_id: int) -> RecordedSpan:
        parent = SpanContext(int(trace_id, 16), root_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        around = trace.set_span_in_context(NonRecordingSpan(parent), Context())
        self._ids.given = (int(trace_id, 16), span_id)
        return RecordedSpan(self._tracer.start_span("dspy", context=around if span_id != root_id else Context()))

    def _register_span(self, span: RecordedSpan, trace_id: str) -> None:
        from mlflow.entities.span import create_mlflow_span  # noqa: PLC0415 - MLflow 2 has another

        live = cast("Any", create_mlflow_span)(span, f"{PREFIX}{trace_id}")
        manager().register_span(live)
        span.registered()


class _GivenIds(IdGenerator):
    """Id generator that returns given ids for the next span."""

    given: tuple[int, int] = (0, 0)

    def generate_trace_id(self) -> int:
        return self.given[0]

    def generate_span_id(self) -> int:
        return self.given[1]


def _experiment_id(span: Any) -> str:  # noqa: ANN401 - the SDK's own class
    """Return the experiment that MLflow would choose for a trace with this root."""
    from mlflow.tracing.utils import get_experiment_id_for_trace  # noqa: PLC0415 - MLflow 2 has none

    return str(get_experiment_id_for_trace(span))
