"""`optimization_summary.json`: the whole compile in one file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.formatting.trial_values import failure_text
from otel_dspy.serialization.json_text import readable_json
from otel_dspy.serialization.json_types import is_object, is_sequence

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.compile_aggregator import EndedCompile
    from otel_dspy.mlflow.records.span import SpanRecord
    from otel_dspy.mlflow.records.span_records import CompileRecord, PhaseRecord, TrialRecord, Usage

SUMMARY: Final = "optimization_summary.json"
"""Path of the artifact."""


def summary_json(ended: EndedCompile) -> str:
    """Return the file's text. A number that JSON does not support (NaN, infinity) is null, as in the tables."""
    return readable_json(_finite(summary(ended)), indent=2)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_object(value):
        return {name: _finite(item) for name, item in value.items()}
    if is_sequence(value):
        return [_finite(item) for item in value]
    return value


def summary(ended: EndedCompile) -> dict[str, Any]:
    """Return the compile as JSON values; scores in `score_unit` (percent or ratio), cost in USD, times in seconds.

    `started` is counted from the start of the compile. A time is None where the clock was set back. `missing_trials` is
    the number of trials whose spans have not been received; it is left out if there are none.
    """
    done = ended.done
    return {
        "optimizer": done.identity.optimizer,
        "program": done.identity.program,
        "metric": done.identity.metric,
        "parameters": dict(done.parameters),
        "initial_score": done.initial_score,
        "best_score": done.best_score,
        "score_unit": done.score_unit,
        "best_trial": done.best_trial,
        "program_id": done.program_id,
        "error": done.error_type,
        "duration": _seconds(done.span),
        "usage": _usage(done.usage),
        **({"phases": [_phase(phase, done) for phase in ended.phases]} if ended.phases else {}),
        **({"missing_trials": missing} if (missing := (done.trial_count or 0) - len(ended.trials)) > 0 else {}),
        "trials": [_trial(trial, done) for trial in ended.trials],
    }


def _seconds(span: SpanRecord) -> float | None:
    return _known((span.end_ns - span.start_ns) / 1e9)


def _started(span: SpanRecord, done: CompileRecord) -> float | None:
    return _known((span.start_ns - done.span.start_ns) / 1e9)


def _known(seconds: float) -> float | None:
    """Return None for a negative time: the clock was set back, so that it is unknown."""
    return seconds if seconds >= 0 else None


def _phase(phase: PhaseRecord, done: CompileRecord) -> dict[str, Any]:
    return {"name": phase.name, "started": _started(phase.span, done), "duration": _seconds(phase.span)}


def _trial(trial: TrialRecord, done: CompileRecord) -> dict[str, Any]:
    return {
        "index": trial.index,
        "label": trial.label,
        "kind": trial.kind,
        "scope": trial.scope,
        "score": trial.score,
        "unit": trial.score_unit,
        "state": trial.state,
        "parameters": dict(trial.parameters),
        **({"reason": trial.reason} if trial.reason is not None else {}),
        **({"measures": dict(trial.measures)} if trial.measures else {}),
        "program_id": trial.program_id,
        "error": trial.error_type,
        **_failure(trial),
        "started": _started(trial.span, done),
        "duration": _seconds(trial.span),
        "usage": _usage(trial.usage),
    }


def _failure(trial: TrialRecord) -> dict[str, Any]:
    """Return the first failure of a trial in which every example failed."""
    found = trial.failures
    return {"failure": failure_text(found.first_type, found.first_message)} if found is not None and found.every else {}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "lm_calls": usage.lm_calls,
        "cache_hits": usage.cache_hits,
        "cost": usage.cost,
        **({"unpriced_calls": usage.unpriced_calls} if usage.unpriced_calls else {}),
        **({"embedding_calls": usage.embedding_calls} if usage.embedding_calls else {}),
        **({"late_calls": usage.late_calls} if usage.late_calls else {}),
        **({"by_role": {role: _usage(part) for role, part in usage.by_role.items()}} if usage.by_role else {}),
        **({"by_model": {model: _model(part) for model, part in usage.by_model.items()}} if usage.by_model else {}),
    }


def _model(usage: Usage) -> dict[str, Any]:
    return {name: value for name, value in _usage(usage).items() if name != "cache_hits"}
