"""The instrumentor: settings in, hooks installed, hooks removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from typing_extensions import override

from otel_dspy.hooks import adapter as adapter_hook
from otel_dspy.hooks import compile as compile_hook
from otel_dspy.hooks import evaluate as evaluate_hook
from otel_dspy.hooks import lm as lm_hook
from otel_dspy.hooks import module as module_hook
from otel_dspy.hooks import threads as threads_hook
from otel_dspy.hooks import tool as tool_hook
from otel_dspy.hooks.optimizers.registry import Registry
from otel_dspy.hooks.patches import Patches
from otel_dspy.package import INSTRUMENTS
from otel_dspy.settings import Settings
from otel_dspy.telemetry.emitter import Telemetry

if TYPE_CHECKING:
    from collections.abc import Collection

    from opentelemetry.trace import TracerProvider


class DSPyInstrumentor(BaseInstrumentor):
    """Instruments DSPy.

    `instrument(tracer_provider=None, meter_provider=None, logger_provider=None, **settings)` starts it; the settings
    are the fields of `otel_dspy.settings.Settings`, each also an environment variable. `uninstrument()` leaves DSPy
    exactly as it was. The class is a singleton, as every OpenTelemetry instrumentor is.

    Raises:
        otel_dspy.settings.SettingError: from `instrument`, when a keyword is unknown or its value cannot be used;
            nothing is instrumented then.
    """

    _patches: Patches | None = None
    _telemetry: Telemetry | None = None

    @override
    def instrumentation_dependencies(self) -> Collection[str]:
        """The versions of DSPy that are understood, as pip requirements."""
        return INSTRUMENTS

    @property
    def tracer_provider(self) -> TracerProvider | None:
        """The provider that `instrument` was given; None while not instrumented or where the global one is used."""
        return self._telemetry.tracer_provider if self._telemetry is not None else None

    @override
    def _instrument(self, **kwargs: Any) -> None:
        providers = {name: kwargs.pop(name, None) for name in ("tracer_provider", "meter_provider", "logger_provider")}
        telemetry = Telemetry(
            Settings.resolve(kwargs),
            content_forced=kwargs.get("capture_content") is not None,
            **providers,
        )
        patches = Patches()
        registry = Registry()
        try:
            lm_hook.install(patches, telemetry)
            module_hook.install(patches, telemetry)
            tool_hook.install(patches, telemetry)
            adapter_hook.install(patches)
            threads_hook.install(patches, telemetry)
            evaluate_hook.install(patches, telemetry, registry)
            compile_hook.install(patches, telemetry, registry)
            registry.install(patches, telemetry)
        except BaseException:
            patches.undo()
            raise
        self._patches, self._telemetry = patches, telemetry

    @override
    def _uninstrument(self, **kwargs: Any) -> None:
        del kwargs
        if self._patches is not None:
            self._patches.undo()
        if self._telemetry is not None:
            self._telemetry.instruments.measurements.record_all()
        self._patches = self._telemetry = None
