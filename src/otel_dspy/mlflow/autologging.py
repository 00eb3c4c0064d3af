"""`autolog`: instruments DSPy and logs it to MLflow with one call."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from opentelemetry.sdk.trace import TracerProvider

from otel_dspy.argument_checks import check_flags
from otel_dspy.exporter.sdk_pipeline import adopted
from otel_dspy.mlflow import at_exit, autologging_conflict, progress_display
from otel_dspy.mlflow.destination_arguments import check_destination
from otel_dspy.mlflow.exporter import LateMlflowSpanProcessor
from otel_dspy.mlflow.joined_processor import JoinedProcessor
from otel_dspy.mlflow.processor import MlflowSpanProcessor
from otel_dspy.mlflow.records import evaluation_datasets_setting
from otel_dspy.mlflow.records.route import Options
from otel_dspy.settings import CONTENT_VARIABLE, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from opentelemetry.sdk.trace import SpanProcessor

    from otel_dspy.budget import Budget
    from otel_dspy.instrumentor import DSPyInstrumentor
    from otel_dspy.mlflow.records.route import Destination

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Active:
    """State of an active `autolog`."""

    processor: MlflowSpanProcessor
    provider: TracerProvider | None
    """The provider that `autolog` created; None if the processor was added to an existing one."""


@runtime_checkable
class _AcceptsProcessors(Protocol):
    """The SDK's tracer provider, or a wrapper of it, as Logfire's is."""

    def add_span_processor(self, span_processor: SpanProcessor) -> None: ...


_lock = threading.RLock()
"""Reentrant: DSPy imports `gepa`, which may be the user's script of that name, a second time."""
_active: _Active | None = None
_level_before: int | None = None


def autolog(  # noqa: PLR0913, PLR0917 - the flags of mlflow.dspy.autolog, by name and order
    log_traces: bool = True,  # noqa: FBT001, FBT002 - the same
    log_traces_from_compile: bool = True,  # noqa: FBT001, FBT002 - the same
    log_traces_from_eval: bool = True,  # noqa: FBT001, FBT002 - the same
    log_compiles: bool = True,  # noqa: FBT001, FBT002 - the same
    log_evals: bool = True,  # noqa: FBT001, FBT002 - the same
    disable: bool = False,  # noqa: FBT001, FBT002 - the same
    silent: bool = False,  # noqa: FBT001, FBT002 - the same
    *,
    tracking_uri: str | Path | None = None,
    experiment: str | None = None,
    workspace: str | None = None,
    budget: Budget | Mapping[str, float | str] | None = None,
    log_evaluation_datasets: bool | None = None,
) -> None:
    """Log DSPy's optimizations, evaluations and calls to MLflow as they happen, on background threads.

    Replaces `mlflow.dspy.autolog`, with the same flags, all on by default. MLflow's tracking URI, workspace and
    experiment are read when a compile, an evaluation or a call starts, so they may be set before or after this call.

    Args:
        log_traces: log traces.
        log_traces_from_compile: log traces of compiles, including their examples.
        log_traces_from_eval: log example traces of stand-alone evaluations.
        log_compiles: log a run for each compile.
        log_evals: log a child run for each trial, and a run for each stand-alone evaluation, unless a run is open: the
            evaluation is then part of it.
        disable: undo an earlier call.
        silent: disable the log messages of `otel_dspy.mlflow`, and in the first call the progress in the terminal or
            notebook, which a later call does not change.
        tracking_uri: tracking URI or path to use instead of MLflow's.
        experiment: name of the experiment, created if it does not exist. An open run is then not written to. Defaults
            to MLflow's experiment; for a tracking URI or a workspace other than MLflow's, to MLFLOW_EXPERIMENT_NAME, to
            MLFLOW_EXPERIMENT_ID if the program has set neither a tracking URI nor an experiment in MLflow, or to
            "Default".
        workspace: name of the MLflow workspace, or "" for a server without workspaces; defaults to that of
            `mlflow.set_workspace` or MLFLOW_WORKSPACE.
        budget: limits of each optimization by name (`cost` in USD, `tokens`, `lm_calls`, `seconds`), and `on_exceeded`:
            "warn" or "stop". Defaults to `OTEL_DSPY_BUDGET_*`.
        log_evaluation_datasets: log training and validation sets as MLflow's evaluation datasets, where the store has
            them and content is captured. Defaults to OTEL_DSPY_MLFLOW_EVALUATION_DATASETS, else off.

    Raises:
        otel_dspy.settings.SettingError: a limit of the budget is unknown or invalid; nothing is changed then.
        ValueError: a flag is not a boolean, or another argument not a text, or empty; nothing is changed then.

    A further call changes the flags and the destination of everything that starts afterwards.
    """
    options = Options(
        log_traces=log_traces,
        log_traces_from_compile=log_traces_from_compile,
        log_traces_from_eval=log_traces_from_eval,
        log_compiles=log_compiles,
        log_evals=log_evals,
        log_evaluation_datasets=evaluation_datasets_setting.wanted(log_evaluation_datasets),
    )
    # Before anything is changed:
    check_flags("autolog", disable=disable, silent=silent)
    check_destination("autolog", options, tracking_uri, experiment, workspace)
    if budget is not None:
        Settings.resolve({"budget": budget}, {})
    _silence(silent=silent)
    if disable:
        _disable()
        return
    _enable(options, tracking_uri, experiment, workspace, silent=silent)
    if budget is not None:
        _use_budget(budget)
    autologging_conflict.warn_if_mlflow_autologs()


def destination() -> Destination | None:
    """Return the destination of what starts now; None if `autolog` is not on, or its instrumentation was removed."""
    active = _in_effect()
    return None if active is None else active.processor.destination


def has_own_provider() -> bool:
    """Return whether DSPy is instrumented with the tracer provider that `autolog` created."""
    active = _in_effect()
    return active is not None and active.provider is not None


def _in_effect() -> _Active | None:
    from otel_dspy.instrumentor import DSPyInstrumentor  # noqa: PLC0415 - see _enable

    active, in_use = _active, DSPyInstrumentor().tracer_provider
    if active is None or in_use is None or (active.provider is not None and active.provider is not in_use):
        return None
    return active


def _enable(
    options: Options, tracking_uri: str | Path | None, experiment: str | None, workspace: str | None, *, silent: bool
) -> None:
    global _active  # noqa: PLW0603 - there is one DSPy to instrument
    from otel_dspy.instrumentor import DSPyInstrumentor  # noqa: PLC0415 - the two wings meet only when this is called
    from otel_dspy.mlflow.autolog_provider import new_provider  # noqa: PLC0415 - the same

    instrumentor, own = DSPyInstrumentor(), None
    with _lock:
        if _active is not None:
            own = _active.provider if instrumentor.tracer_provider is _active.provider else None
            if not _active.processor.closed and (own is not None or _active.provider is None):
                _active.processor.configure(options, tracking_uri, experiment, workspace)
                return
            # The instrumentation was removed in the meantime, or its provider was shut down: start again.
            at_exit.shut_down(_active.processor)
            _active = None
        in_use = instrumentor.tracer_provider
        by_environment = adopted(in_use, LateMlflowSpanProcessor)
        processor = by_environment.processor() if by_environment is not None else _new_processor(in_use, instrumentor)
        processor.configure(options, tracking_uri, experiment, workspace)
        if in_use is None or own is not None:
            provider = own or new_provider()
            provider.add_span_processor(processor)
            if not silent:
                progress_display.show_progress(provider, processor)
            if own is None:
                excluded = os.environ.get(CONTENT_VARIABLE, "").strip().upper() == "NO_CONTENT"
                instrumentor.instrument(tracer_provider=provider, capture_content=not excluded)
            _active = _Active(processor, provider)
        elif by_environment is not None:
            _active = _Active(processor, None)
            _logger.info("MLflow is already enabled by OTEL_TRACES_EXPORTER: autolog changes its flags and destination")
            return
        elif isinstance(in_use, _AcceptsProcessors):
            in_use.add_span_processor(processor)
            _active = _Active(processor, None)
            _logger.info(
                "DSPy is instrumented already: those settings control what is captured (content, programs, datasets)"
            )
        else:
            _logger.warning(
                "DSPy is instrumented with a tracer provider without span processors (%s): nothing is recorded in "
                "MLflow. Call autolog() before instrument(), or add an MlflowSpanProcessor to an SDK TracerProvider.",
                type(in_use).__name__,
            )
            return
        at_exit.drain(processor)


def _new_processor(provider: object, instrumentor: DSPyInstrumentor) -> MlflowSpanProcessor:
    if provider is None or isinstance(provider, TracerProvider):
        # The SDK's provider keeps its processors: a program that shuts it down ends its recording.
        return MlflowSpanProcessor()
    return JoinedProcessor(instrumentor.before_next_span)


def _use_budget(budget: Budget | Mapping[str, float | str]) -> None:
    from otel_dspy.instrumentor import DSPyInstrumentor  # noqa: PLC0415 - see _enable

    DSPyInstrumentor().use_budget(budget)


def _disable() -> None:
    global _active  # noqa: PLW0603 - see _enable
    from otel_dspy.instrumentor import DSPyInstrumentor  # noqa: PLC0415 - see _enable

    with _lock:
        if _active is None:
            return
        if _active.provider is not None:
            instrumentor = DSPyInstrumentor()
            if instrumentor.tracer_provider is _active.provider:
                instrumentor.uninstrument()
        # An existing provider keeps the processor, disabled: the SDK cannot remove it.
        at_exit.shut_down(_active.processor)
        _active = None


def _silence(*, silent: bool) -> None:
    global _level_before  # noqa: PLW0603 - the logger is one for the process as well
    logger = logging.getLogger("otel_dspy.mlflow")
    if silent and _level_before is None:
        _level_before = logger.level
        logger.setLevel(logging.CRITICAL + 1)
    elif not silent and _level_before is not None:
        logger.setLevel(_level_before)
        _level_before = None
