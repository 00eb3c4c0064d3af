"""Progress of optimizations in the terminal of a program that calls `autolog`."""

from __future__ import annotations

import os
import pkgutil
import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.runtime.guard import guarded
from otel_dspy.tracking_uri import address_without_passwords, open_with

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from otel_dspy.mlflow.processor import MlflowSpanProcessor

_MODE: Final = "otel_dspy.reporting.terminal.progress_mode:progress_mode"
_PROGRESS: Final = "otel_dspy.reporting.terminal.terminal_progress:TerminalProgress"
_PLACE: Final = "otel_dspy.reporting.terminal.compile_lines:Place"
"""Loaded by name: that package reads MLflow by means of this one."""


def show_progress(provider: TracerProvider, processor: MlflowSpanProcessor) -> None:
    """Write progress to standard error if that is a terminal, or if OTEL_DSPY_PROGRESS asks for it.

    Args:
        provider: the provider of `autolog`.
        processor: its processor, which determines where optimizations are recorded.
    """
    with guarded("the progress in the terminal"):
        mode = pkgutil.resolve_name(_MODE)(os.environ, sys.stderr)
        if mode != "off":
            progress: Any = pkgutil.resolve_name(_PROGRESS)
            provider.add_span_processor(progress(lambda: _place(processor), color=mode == "rich"))


def _place(processor: MlflowSpanProcessor) -> Any:  # noqa: ANN401 - loaded by name
    destination = processor.destination
    experiment, uri = destination.experiment, address_without_passwords(destination.tracking_uri)
    name = f"{experiment.name!r}" if experiment.name is not None else experiment.id or "of MLflow"
    return pkgutil.resolve_name(_PLACE)(
        description=f"MLflow at {uri}, experiment {name}",
        open_with=open_with(uri, experiment.id),
        report_with=f"otel-dspy report --tracking-uri {shlex.quote(uri)}",
    )
