"""Checks of the running process: whether DSPy is instrumented, and where `autolog` records."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from otel_dspy.diagnosis.checks.mlflow_store import TRACKING_URI, WORKSPACE
from otel_dspy.diagnosis.checks.variable_values import SPAN_LIMITS
from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.instrumentor import DSPyInstrumentor
from otel_dspy.mlflow.tracking_uri import address_without_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otel_dspy.mlflow.records.route import Destination

_SUBJECT: Final = "process"


def process() -> Iterator[Finding]:
    """Check what the code of this process has set up."""
    provider = DSPyInstrumentor().tracer_provider
    if provider is None:
        yield Finding(
            _SUBJECT,
            Level.WARNING,
            "DSPy is not instrumented: nothing is recorded. Call otel_dspy.mlflow.autolog() or "
            "DSPyInstrumentor().instrument()",
        )
    elif not hasattr(provider, "add_span_processor"):  # the SDK's has it, and need not be installed
        yield Finding(
            _SUBJECT,
            Level.PROBLEM,
            f"DSPy is instrumented with {type(provider).__name__}, which records nothing: set an SDK TracerProvider "
            "before instrument()",
        )
    else:
        yield Finding(_SUBJECT, Level.OK, "DSPy is instrumented")
    found = _autologged()
    if found is not None:
        experiment = found.experiment.name or found.experiment.id or "Default"
        shown = address_without_passwords(found.tracking_uri)
        yield Finding(_SUBJECT, Level.OK, f"autolog records in {shown}, experiment {experiment}")
        if _recorded_twice():
            yield Finding(
                _SUBJECT,
                Level.WARNING,
                "MLflow's own DSPy autologging is on too: everything is recorded twice. Turn it off with "
                "mlflow.dspy.autolog(disable=True)",
            )


def in_effect(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which MLFLOW_TRACKING_URI and MLFLOW_WORKSPACE are those that the code has set.

    Limits of spans are absent where the tracer provider that `autolog` has created does not apply them.

    Args:
        environment: environment variables.
    """
    found = _autologged()
    if found is None:
        return dict(environment)
    workspace = {WORKSPACE: found.workspace} if found.workspace else {}
    ignored = SPAN_LIMITS if _records_by_own_provider() else ()
    kept = {name: value for name, value in environment.items() if name not in ignored}
    return {**kept, TRACKING_URI: found.tracking_uri, **workspace}


def _autologged() -> Destination | None:
    # Without an import of it there is no autolog, and importing MLflow takes seconds.
    autologging = sys.modules.get("otel_dspy.mlflow.autologging")
    return None if autologging is None else autologging.destination()


def _records_by_own_provider() -> bool:
    from otel_dspy.mlflow import autologging  # noqa: PLC0415 - MLflow, which autolog has imported

    return autologging.has_own_provider()


def _recorded_twice() -> bool:
    from otel_dspy.mlflow.autologging_conflict import mlflow_autologs  # noqa: PLC0415 - MLflow, which autolog has imported

    return mlflow_autologs()
