"""Names and limits: how runs, metrics, parameters and tags are called, cut to what MLflow's stores take."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.records.span_records import CompileIdentity, Failures, SpanRecord, Usage

_Value = TypeVar("_Value")

# Limits of MLflow 3.17's stores (mlflow/utils/validation.py); a longer value is refused with its whole batch.
MAX_KEY: Final = 250
MAX_PARAM: Final = 6000
MAX_TAG: Final = 8000
MAX_DIGEST: Final = 36
MAX_PREVIEW: Final = 1000
"""Characters of a trace's request and response preview."""

_MAX_MODEL: Final = 200
"""Characters of a language model's name in a metric's."""

PARENT_RUN: Final = "mlflow.parentRunId"
RUN_NAME: Final = "mlflow.runName"
_NOT_IN_KEYS: Final = re.compile(r"[^\w\-. :/]")
_NO_NAMES: Final = frozenset({"", ".", ".."})
"""Of a path's parts (`mlflow.utils.validation.path_not_unique`)."""

TRACE_ID: Final = "otel.trace_id"
SPAN_ID: Final = "otel.span_id"
ERROR_TYPE: Final = "error.type"
ERROR_MESSAGE: Final = "error.message"


def compile_name(identity: CompileIdentity) -> str:
    """Name of a compile's run and trace."""
    return f"{identity.optimizer} {identity.program}"


def key(name: str) -> str:
    """A name as a key of a parameter, metric or tag: for MLflow a relative path, in its shortest form."""
    cleaned = _NOT_IN_KEYS.sub("_", name)[:MAX_KEY]
    if "/" in cleaned or "." in cleaned:
        return "/".join(part for part in cleaned.split("/") if part not in _NO_NAMES) or "_"
    return cleaned or "_"


def keyed(values: Mapping[str, _Value], prefix: str = "") -> dict[str, _Value]:
    """Values by their names' keys; of two names with the same key the second gets `_2` behind it."""
    found: dict[str, _Value] = {}
    for name, value in values.items():
        wanted = chosen = key(prefix + name)
        number = 1
        while chosen in found:
            number += 1
            ending = f"_{number}"
            chosen = f"{wanted[: MAX_KEY - len(ending)]}{ending}"
        found[chosen] = value
    return found


def text(value: object) -> str:
    """A value as text: a string as it is, anything else as JSON (true, 1.5, [1, 2])."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def param_text(value: object) -> str:
    """A parameter's value as text.

    A single value is written as MLflow's own clients write it, by `str` (True, 1.5, nan), so that runs of both compare;
    a list is JSON (`["a", "b"]`).
    """
    return str(value) if isinstance(value, bool | int | float) else text(value)


def params(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Parameters with keys and values that MLflow takes."""
    return keyed({name: param_text(value)[:MAX_PARAM] for name, value in values.items()}, prefix)


def tags(values: Mapping[str, object]) -> dict[str, str]:
    """Tags with keys and values that MLflow takes; None is left out."""
    return {key(name): text(value)[:MAX_TAG] for name, value in values.items() if value is not None}


def identity_tags(span: SpanRecord) -> dict[str, str]:
    """Tags that find the run from the span and the other way round."""
    return {TRACE_ID: span.trace_id, SPAN_ID: span.span_id}


def error_tags(span: SpanRecord, error_type: str | None) -> dict[str, str]:
    """Tags that tell why it failed; empty if it did not."""
    if error_type is None and not span.error:
        return {}
    return tags({ERROR_TYPE: error_type or "ERROR", ERROR_MESSAGE: span.message})


def failure_tags(failures: Failures | None) -> dict[str, str]:
    """Tags with the first of the examples that failed; where all did, the run's own error is that one."""
    if failures is None:
        return {}
    found = {"dspy.failures.first.type": failures.first_type, "dspy.failures.first.message": failures.first_message}
    if failures.every:
        found |= {ERROR_TYPE: failures.first_type, ERROR_MESSAGE: failures.first_message}
    return tags(found)


def measures(values: Mapping[str, float]) -> dict[str, float]:
    """What an optimizer measured, under names that MLflow takes."""
    return keyed(values)


def failure_metrics(failures: Failures | None) -> dict[str, float]:
    """`num_errors`: how many examples failed; empty where none did."""
    return {} if failures is None else {"num_errors": float(failures.examples)}


def objective_metrics(objectives: Mapping[str, float]) -> dict[str, float]:
    """`objective/<name>`: the means of a metric's further scores."""
    return keyed(objectives, "objective/")


def usage_metrics(usage: Usage) -> dict[str, float]:
    """Metric name to value, what is not known is left out.

    `<name>/<role>` is a role's part of it, `model/<model>/<name>` a language model's. Models whose names are the same
    for MLflow are added up.
    """
    found = _numbers(usage)
    for role, part in usage.by_role.items():
        found |= {key(f"{name}/{role}"): value for name, value in _numbers(part).items()}
    models: dict[str, float] = {}
    for model, part in usage.by_model.items():
        for name, value in _numbers(part).items():
            chosen = key(f"model/{model[:_MAX_MODEL]}/{name}")
            models[chosen] = models.get(chosen, 0.0) + value
    return found | models


def _numbers(usage: Usage) -> dict[str, float]:
    found = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "lm_calls": usage.lm_calls,
        "cache_hits": usage.cache_hits,
        "cost": usage.cost,
        "unpriced_calls": usage.unpriced_calls,
        "late_calls": usage.late_calls,
    }
    return {name: float(value) for name, value in found.items() if value is not None}
