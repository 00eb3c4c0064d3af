"""OpenTelemetry instrumentor for DSPy: resolves the settings, installs the hooks and removes them."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.trace import get_tracer_provider
from typing_extensions import override

from otel_dspy.package import INSTRUMENTS, lacks_metadata
from otel_dspy.runtime import global_redaction
from otel_dspy.runtime.fork_gate import ForkGate
from otel_dspy.settings import CONTENT_VARIABLE, Settings
from otel_dspy.telemetry.provider_check import PROVIDERS, provider_given
from otel_dspy.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from opentelemetry.trace import TracerProvider

    from otel_dspy.budget import Budget
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry

_logger = logging.getLogger(__name__)
_changing: Final = ForkGate()
"""Serializes `instrument` and `uninstrument`: concurrent calls would wrap methods twice and remove one wrapper."""


class DSPyInstrumentor(BaseInstrumentor):
    """Instruments DSPy.

    `instrument(tracer_provider=None, meter_provider=None, logger_provider=None, **settings)` installs the hooks. The
    settings are the fields of `otel_dspy.settings.Settings`; each can also be set by an environment variable.
    `uninstrument()` restores DSPy's original methods. The class is a singleton, like every OpenTelemetry instrumentor.

    Raises:
        otel_dspy.settings.SettingError: `instrument` got an unknown keyword or an invalid value. Nothing is
            instrumented in this case.
    """

    _patches: Patches | None = None
    _telemetry: Telemetry | None = None

    @override
    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the supported versions of DSPy as pip requirements."""
        return INSTRUMENTS

    @override
    def instrument(self, **kwargs: Any) -> None:
        """Instrument DSPy.

        An unsupported version of DSPy, or a package that lacks a name that otel-dspy needs, is logged as an error, and
        DSPy is not instrumented. A call while DSPy is instrumented logs a warning and changes nothing.
        `opentelemetry-instrument` calls this again after it has loaded a configuration file; the second call does
        nothing.

        Args:
            **kwargs: `tracer_provider`, `meter_provider`, `logger_provider` and the fields of
                `otel_dspy.settings.Settings`.
        """
        with _changing:
            if self.is_instrumented_by_opentelemetry and set(kwargs) == {"skip_dep_check"}:
                return
            if lacks_metadata():  # OpenTelemetry reads the version there, and takes DSPy for not installed
                kwargs["skip_dep_check"] = True
            super().instrument(**kwargs)

    @override
    def uninstrument(self, **kwargs: Any) -> None:
        """Restore DSPy's original methods and process all deferred telemetry."""
        with _changing:
            super().uninstrument(**kwargs)

    @property
    def tracer_provider(self) -> TracerProvider | None:
        """The provider passed to `instrument`, else the global one; None if DSPy is not instrumented."""
        if self._telemetry is None:
            return None
        return self._telemetry.tracer_provider or get_tracer_provider()

    def before_next_span(self, callback: Callable[[], object]) -> None:
        """Call `callback`, once or twice, before the next spans of DSPy; has no effect if DSPy is not instrumented."""
        if self._telemetry is not None:
            self._telemetry.before_next_span(callback)

    def use_budget(self, budget: Budget | Mapping[str, float | str]) -> None:
        """Set the budget of the optimizations that start from now on; see `otel_dspy.Budget`.

        Args:
            budget: the budget or its limits by name; an empty mapping removes the present one.

        Raises:
            otel_dspy.settings.SettingError: a limit is unknown or invalid.
        """
        resolved = Settings.resolve({"budget": budget}, {}).budget
        if self._telemetry is not None:
            self._telemetry.budget = resolved

    @override
    def _instrument(self, **kwargs: Any) -> None:
        providers = {name: provider_given(name, kwargs.pop(name, None)) for name in PROVIDERS}
        content_given = kwargs.get("capture_content") is not None
        if _mlflow_alone(providers["tracer_provider"], content_given=content_given):
            kwargs["capture_content"] = True
        content_forced = kwargs.get("capture_content") is not None
        settings = Settings.resolve(kwargs)
        try:
            from otel_dspy.hooks.installation import install  # noqa: PLC0415 - see there
            from otel_dspy.telemetry.emitter import Telemetry  # noqa: PLC0415 - the same

            telemetry = Telemetry(settings, content_forced=content_forced, **providers)
            patches = install(telemetry)
        except (ImportError, AttributeError) as error:
            _logger.error(  # noqa: TRY400 - one line; the message has the name
                "otel-dspy %s does not instrument DSPy: an installed package lacks a name that it needs (%s). Run "
                "`otel-dspy doctor` for the versions that are installed and those that are required.",
                __version__,
                error,
            )
            return
        self._patches, self._telemetry = patches, telemetry
        global_redaction.set_global_redaction(telemetry.content.data)

    @override
    def _uninstrument(self, **kwargs: Any) -> None:
        del kwargs
        if self._patches is not None:
            self._patches.undo()
        if self._telemetry is not None:
            self._telemetry.deferred_queue.drain()
        global_redaction.set_global_redaction(None)
        self._patches = self._telemetry = None


def _mlflow_alone(provider: TracerProvider | None, *, content_given: bool) -> bool:
    """Replace MLflow's exporters by span processors and return whether MLflow is the only destination of the spans.

    Content capture is on by default in that case. It is not if `capture_content` or its environment variable is set.
    """
    if "opentelemetry.sdk.trace" not in sys.modules:
        return False  # the SDK is optional
    from otel_dspy.exporter.sdk_pipeline import adopt  # noqa: PLC0415 - needs the SDK, which the base install lacks

    audience = adopt(provider or get_tracer_provider())
    if content_given or not audience.adopted or os.environ.get(CONTENT_VARIABLE, "").strip():
        return False
    if audience.others:
        _logger.warning(
            "Content (prompts, programs, datasets) is not recorded because the spans are exported to MLflow and to "
            "other destinations. Set %s=SPAN_ONLY to export content to all of them, or NO_CONTENT to silence this "
            "warning.",
            CONTENT_VARIABLE,
        )
        return False
    return True
