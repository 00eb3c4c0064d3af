"""Progress of optimizations in the terminal or notebook of a program that calls `autolog`."""

from __future__ import annotations

import os
import pkgutil
import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.tracking.runs import report_observers
from otel_dspy.mlflow.tracking_uri import address_without_passwords, open_with
from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from otel_dspy.mlflow.processor import MlflowSpanProcessor

_MODE: Final = "otel_dspy.reporting.terminal.progress_mode:progress_mode"
_PROGRESS: Final = "otel_dspy.reporting.terminal.compile_lines:terminal_progress"
_WARNINGS: Final = "otel_dspy.reporting.terminal.terminal_warnings:write_warnings_on_own_lines"
_SHELL: Final = "otel_dspy.reporting.notebook.kernel:running_shell"
_NOTEBOOK: Final = "otel_dspy.reporting.notebook.notebook_progress:NotebookProgress"
_LOCATION: Final = "otel_dspy.reporting.terminal.compile_lines:RunLocation"
"""Loaded by name: that package reads MLflow by means of this one."""


def show_progress(provider: TracerProvider, processor: MlflowSpanProcessor) -> None:
    """Show progress in a notebook, or write it to standard error if that is a terminal or OTEL_DSPY_PROGRESS is set.

    Args:
        provider: the provider of `autolog`.
        processor: its processor, which determines where optimizations are recorded.
    """
    with guarded("the progress in the terminal"):
        kernel = pkgutil.resolve_name(_SHELL)() is not None
        mode = pkgutil.resolve_name(_MODE)(os.environ, sys.stderr, kernel=kernel)
        if mode == "off":
            return
        if mode == "notebook":
            shown: Any = pkgutil.resolve_name(_NOTEBOOK)(lambda: _location(processor))
        else:
            shown = pkgutil.resolve_name(_PROGRESS)(lambda: _location(processor), color=mode == "rich")
            if mode == "rich":
                pkgutil.resolve_name(_WARNINGS)()
        provider.add_span_processor(shown)
        report_observers.add_observer(shown)


def _location(processor: MlflowSpanProcessor) -> Any:  # noqa: ANN401 - loaded by name
    destination = processor.destination
    experiment, uri = destination.experiment, address_without_passwords(destination.tracking_uri)
    name = f"{experiment.name!r}" if experiment.name is not None else experiment.id or "of MLflow"
    return pkgutil.resolve_name(_LOCATION)(
        description=f"MLflow at {uri}, experiment {name}",
        open_with=open_with(uri, experiment.id),
        report_with=f"otel-dspy report --tracking-uri {shlex.quote(uri)}",
        verdict_follows=processor.writes_reports,
    )
