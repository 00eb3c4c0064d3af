"""Metric instruments of the telemetry contract (`semconv/signals.yaml`), without `gen_ai.*` of util-genai."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.metrics import get_meter
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from otel_dspy import semconv
from otel_dspy.span_format import SCOPE_NAME
from otel_dspy.telemetry.deferred.measurements import (
    DeferredCounter,
    DeferredGauge,
    DeferredHistogram,
    DeferredUpDownCounter,
    record_when_collected,
)
from otel_dspy.version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from otel_dspy.runtime.deferred_queue import DeferredQueue

_LONG_SECONDS: Final = [0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400]
"""Bucket boundaries for durations of seconds to hours: evaluations, trials, compiles."""
_SHORT_SECONDS: Final = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
"""Bucket boundaries for calls: those of `gen_ai.client.operation.duration` in the GenAI conventions."""

UNSPANNED: Final = set_span_in_context(INVALID_SPAN, Context())
"""Context for counters and gauges: with the SDK's default filter, only histograms have exemplars."""


class Instruments:
    """All instruments, created once for a meter provider (None = the global one).

    All of them record through the deferred queue (see `measurements`).
    """

    def __init__(self, meter_provider: MeterProvider | None, queue: DeferredQueue) -> None:
        meter = get_meter(SCOPE_NAME, __version__, meter_provider)
        record_when_collected(meter, queue)
        compile_duration = meter.create_histogram(
            semconv.METRIC_DSPY_COMPILE_DURATION,
            unit="s",
            description="How long a compile took.",
            explicit_bucket_boundaries_advisory=_LONG_SECONDS,
        )
        self.compile_duration = DeferredHistogram(queue, compile_duration)
        compile_active = meter.create_up_down_counter(
            semconv.METRIC_DSPY_COMPILE_ACTIVE, unit="{compile}", description="Compiles that run now."
        )
        self.compile_active = DeferredUpDownCounter(queue, compile_active)
        compile_best_score = meter.create_gauge(
            semconv.METRIC_DSPY_COMPILE_BEST_SCORE,
            unit="1",
            description=(
                "Score of the best trial (see `dspy.compile.best_score`) of the compile that ended or improved last."
            ),
        )
        self.compile_best_score = DeferredGauge(queue, compile_best_score)
        trial_duration = meter.create_histogram(
            semconv.METRIC_DSPY_TRIAL_DURATION,
            unit="s",
            description="How long a trial took.",
            explicit_bucket_boundaries_advisory=_LONG_SECONDS,
        )
        self.trial_duration = DeferredHistogram(queue, trial_duration)
        trial_score = meter.create_gauge(
            semconv.METRIC_DSPY_TRIAL_SCORE, unit="1", description="Score of the trial that ended last."
        )
        self.trial_score = DeferredGauge(queue, trial_score)
        evaluate_duration = meter.create_histogram(
            semconv.METRIC_DSPY_EVALUATE_DURATION,
            unit="s",
            description="How long an evaluation took.",
            explicit_bucket_boundaries_advisory=_LONG_SECONDS,
        )
        self.evaluate_duration = DeferredHistogram(queue, evaluate_duration)
        examples = meter.create_counter(
            semconv.METRIC_DSPY_EVALUATE_EXAMPLES,
            unit="{example}",
            description="Examples evaluated; those that raised have error.type.",
        )
        self.evaluate_examples = DeferredCounter(queue, examples)
        module_duration = meter.create_histogram(
            semconv.METRIC_DSPY_MODULE_DURATION,
            unit="s",
            description="How long a module call took.",
            explicit_bucket_boundaries_advisory=_SHORT_SECONDS,
        )
        self.module_duration = DeferredHistogram(queue, module_duration)
        cost = meter.create_counter(
            semconv.METRIC_DSPY_USAGE_COST,
            unit="{USD}",
            description="Cost of calls of language and embedding models.",
        )
        self.cost = DeferredCounter(queue, cost)
        unpriced_calls = meter.create_counter(
            semconv.METRIC_DSPY_USAGE_UNPRICED_CALLS,
            unit="{call}",
            description="Calls of language and embedding models that used tokens at an unknown price.",
        )
        self.unpriced_calls = DeferredCounter(queue, unpriced_calls)
        cache_hits = meter.create_counter(
            semconv.METRIC_DSPY_USAGE_CACHE_HITS,
            unit="{call}",
            description="Language model calls that a cache answered.",
        )
        self.cache_hits = DeferredCounter(queue, cache_hits)
