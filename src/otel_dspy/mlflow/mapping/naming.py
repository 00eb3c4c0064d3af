"""Names of runs, parameters and tags, and the length limits of MLflow's stores. Metrics are in `metrics`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

from otel_dspy import semconv as sc
from otel_dspy.serialization.json_text import readable_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.records.span import SpanRecord
    from otel_dspy.mlflow.records.span_records import CompileIdentity, Failures

_Value = TypeVar("_Value")

# Limits of MLflow 3.17's stores (mlflow/utils/validation.py); a longer value is rejected with its whole batch.
MAX_KEY: Final = 250
MAX_PARAM: Final = 6000
MAX_TAG: Final = 8000
MAX_DIGEST: Final = 36
MAX_NAME: Final = 120
"""Maximum characters of a run's name, so that tables remain readable."""
MAX_PREVIEW: Final = 1000
"""Maximum characters of a trace's request and response preview."""

OBJECTIVE: Final = "objective/"
"""Prefix of an objective among an optimizer's measurements."""

DESCRIPTION: Final = "mlflow.note.content"
"""Tag that MLflow shows as a run's description, in Markdown."""
KILLED_REASON: Final = "otel_dspy.killed.reason"
"""Tag of a run whose end was not recorded, and of its open traces: why it was ended without."""
ENDED_PHASE: Final = "otel_dspy.ended_phase."
"""Prefix of a tag of a compile's run: a phase outside of trials has ended. One tag for each, whatever their order."""
AGAINST_START: Final = "otel_dspy.against_start"
"""Tag of an example's trace: whether its score is higher than that of the program before optimization."""
AGAINST_PARENT: Final = "otel_dspy.against_parent"
"""The same against the program that the candidate was derived from, on the same minibatch."""
PARENT_RUN: Final = "mlflow.parentRunId"
DATASET_ROLE: Final = "mlflow.data.context"
"""Tag of a dataset input."""
RUN_NAME: Final = "mlflow.runName"
_NOT_IN_KEYS: Final = re.compile(r"[^\w\-. :/]")
_NO_NAMES: Final = frozenset({"", ".", ".."})
"""Rules for the parts of a path (`mlflow.utils.validation.path_not_unique`)."""

TRACE_ID: Final = "otel.trace_id"
SPAN_ID: Final = "otel.span_id"
ERROR_TYPE: Final = "error.type"
WITHOUT_EXCEPTION: Final = "fail"
"""Its value for a trial that failed without an exception: the trial's state."""
ERROR_MESSAGE: Final = "error.message"


def compile_name(identity: CompileIdentity) -> str:
    """Return the name of a compile's run and trace."""
    return f"{identity.optimizer} {identity.program}"


def trial_name(index: int, tried: str | None) -> str:
    """Return the name of a trial's run: `trial 7: instruction 1 + demos 2`, or `trial 7` without what it tried."""
    return f"trial {index}: {tried}"[:MAX_NAME] if tried else f"trial {index}"


def key(name: str) -> str:
    """Convert a name to the key of a parameter, metric or tag: for MLflow a relative path in its shortest form."""
    cleaned = _NOT_IN_KEYS.sub("_", name)[:MAX_KEY]
    if "/" in cleaned or "." in cleaned:
        return "/".join(part for part in cleaned.split("/") if part not in _NO_NAMES) or "_"
    return cleaned or "_"


def keyed(values: Mapping[str, _Value], prefix: str = "") -> dict[str, _Value]:
    """Return values by their names' keys; of two names with the same key the second gets the suffix `_2`."""
    found: dict[str, _Value] = {}
    for name, value in values.items():
        wanted = chosen = key(prefix + key(name))
        number = 1
        while chosen in found:
            number += 1
            ending = f"_{number}"
            chosen = f"{wanted[: MAX_KEY - len(ending)]}{ending}"
        found[chosen] = value
    return found


def text(value: object) -> str:
    """Convert a value to text: a string unchanged, anything else as JSON (true, 1.5, [1, 2])."""
    return value if isinstance(value, str) else readable_json(value, default=str)


def param_text(value: object) -> str:
    """Convert a parameter's value to text.

    A single value is formatted as MLflow's own clients do, by `str` (True, 1.5, nan), so that runs of both compare; a
    list is JSON (`["a", "b"]`).
    """
    return str(value) if isinstance(value, bool | int | float) else text(value)


def params(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Return parameters with keys and values that MLflow accepts."""
    return keyed({name: param_text(value)[:MAX_PARAM] for name, value in values.items()}, prefix)


def tags(values: Mapping[str, object]) -> dict[str, str]:
    """Return tags with keys and values that MLflow accepts; None is omitted."""
    return {key(name): text(value)[:MAX_TAG] for name, value in values.items() if value is not None}


def identity_tags(span: SpanRecord) -> dict[str, str]:
    """Return tags that link the run and the span."""
    return {TRACE_ID: span.trace_id, SPAN_ID: span.span_id}


def error_tags(span: SpanRecord, error_type: str | None) -> dict[str, str]:
    """Return tags that describe the error; empty without one."""
    if error_type is None and not span.error:
        return {}
    return tags({ERROR_TYPE: error_type or "ERROR", ERROR_MESSAGE: span.message})


def failure_tags(failures: Failures | None) -> dict[str, str]:
    """Return tags of the first failed example; where all failed, it is the run's own error."""
    if failures is None:
        return {}
    found = {sc.DSPY_FAILURES_FIRST_TYPE: failures.first_type, sc.DSPY_FAILURES_FIRST_MESSAGE: failures.first_message}
    if failures.every:
        found |= {ERROR_TYPE: failures.first_type, ERROR_MESSAGE: failures.first_message}
    return tags(found)
