"""Check for misspelled environment variables of otel-dspy."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge import flags as bridge
from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.mlflow.delivery import drain_timeout, spool
from otel_dspy.settings import BUDGET_VARIABLES, CONTENT_VARIABLE, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX: Final = "OTEL_DSPY_"
EXPORT_MAX_BYTES: Final = "OTEL_DSPY_EXPORT_MAX_BYTES"
"""Same as in `otel_dspy.exporter.otlp`, whose import needs an OTLP exporter."""
REPORT: Final = "OTEL_DSPY_REPORT"
"""Same as in `otel_dspy.mlflow.tracking.runs.run_reports`, whose import needs MLflow."""
_PROGRESS: Final = "OTEL_DSPY_PROGRESS"
"""Same as in `otel_dspy.reporting.terminal.progress_mode`."""
_SERVER_APP_BASE: Final = "OTEL_DSPY_SERVER_APP_BASE"
"""Same as in `otel_dspy.server_app.requirements`, which only MLflow's server imports."""
AUTOLOG_METRICS: Final = "OTEL_DSPY_MLFLOW_AUTOLOG_METRICS"
"""Same as in `otel_dspy.mlflow.tracking.runs.autolog_names`, whose import needs MLflow."""
EVALUATION_DATASETS: Final = "OTEL_DSPY_MLFLOW_EVALUATION_DATASETS"
"""Same as in `otel_dspy.mlflow.records.evaluation_datasets`, whose import needs MLflow."""
_ELSEWHERE: Final = {f"{PREFIX}CAPTURE_CONTENT": CONTENT_VARIABLE, f"{PREFIX}BUDGET": f"{PREFIX}BUDGET_*"}
"""Variables that do not exist, and those that the setting has instead."""


def known() -> frozenset[str]:
    """Return the names of all `OTEL_DSPY_` variables that the package reads."""
    settings = {f"{PREFIX}{field.name.upper()}" for field in fields(Settings)}
    flags = {bridge.variable(flag) for flag, *_ in bridge.FLAGS} | {bridge.TOKEN_VARIABLE}
    others = {spool.FOLDER_VARIABLE, spool.MAX_BYTES_VARIABLE, drain_timeout.TIMEOUT_VARIABLE}
    others |= {EXPORT_MAX_BYTES, REPORT, _PROGRESS, _SERVER_APP_BASE, AUTOLOG_METRICS, EVALUATION_DATASETS}
    others |= set(BUDGET_VARIABLES.values())
    return frozenset((settings - _ELSEWHERE.keys()) | flags | others)


def misspelt(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Report variables with the package's prefix that it does not read."""
    names = known()
    for variable in sorted(environment):
        if not variable.upper().startswith(PREFIX) or variable in names:
            continue
        yield Finding(
            "settings", Level.PROBLEM, f"{variable} is not read by otel-dspy. {_meant(variable.upper(), names)}"
        )


def _meant(variable: str, names: frozenset[str]) -> str:
    if variable in _ELSEWHERE:
        return f"Use {_ELSEWHERE[variable]}"
    # The common prefix would make any two names similar.
    near = get_close_matches(variable.removeprefix(PREFIX), (name.removeprefix(PREFIX) for name in names), 1)
    return f"Did you mean {PREFIX}{near[0]}?" if near else "There is no similar variable: remove it"
