"""Names of all environment variables of otel-dspy. No other module has one in its code.

A variable of a setting has the name of its field in `Settings`, one of the bridge that of its flag in
`setting_definitions.FLAGS`; all others are constants here.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "OTEL_DSPY_"
"""Of all names."""
EXPORT_MAX_BYTES: Final = "OTEL_DSPY_EXPORT_MAX_BYTES"
REPORT: Final = "OTEL_DSPY_REPORT"
PROGRESS: Final = "OTEL_DSPY_PROGRESS"
SERVER_APP_BASE: Final = "OTEL_DSPY_SERVER_APP_BASE"
AUTOLOG_METRICS: Final = "OTEL_DSPY_MLFLOW_AUTOLOG_METRICS"
EVALUATION_DATASETS: Final = "OTEL_DSPY_MLFLOW_EVALUATION_DATASETS"
FLUSH_TIMEOUT: Final = "OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT"
SPOOL_DIR: Final = "OTEL_DSPY_SPOOL_DIR"
SPOOL_MAX_BYTES: Final = "OTEL_DSPY_SPOOL_MAX_BYTES"
BRIDGE_TOKEN: Final = "OTEL_DSPY_BRIDGE_TOKEN"  # noqa: S105 - the variable's name
"""Bearer token. There is no flag, since all users of a machine can read command lines."""
KNOWN: Final = frozenset({
    EXPORT_MAX_BYTES, REPORT, PROGRESS, SERVER_APP_BASE, AUTOLOG_METRICS, EVALUATION_DATASETS, FLUSH_TIMEOUT, SPOOL_DIR,
    SPOOL_MAX_BYTES, BRIDGE_TOKEN,
})  # fmt: skip
"""All of these names."""


def of_setting(field: str) -> str:
    """Return the variable of a field of `Settings`."""
    return PREFIX + field.upper()


def of_budget(limit: str) -> str:
    """Return the variable of a field of `Budget`."""
    return f"{PREFIX}BUDGET_{limit.upper()}"


def of_bridge_flag(flag: str) -> str:
    """Return the variable of a flag of `otel-dspy bridge`."""
    return f"{PREFIX}BRIDGE_{flag.upper().replace('-', '_')}"
