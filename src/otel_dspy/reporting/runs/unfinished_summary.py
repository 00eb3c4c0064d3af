"""Summary of an optimization that has not written one: it is in progress, or was ended before it could."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from otel_dspy import semconv
from otel_dspy.formatting.trial_values import failure_text
from otel_dspy.mlflow.mapping.naming import ERROR_TYPE
from otel_dspy.mlflow.records.metric_names import (
    BEST_SCORE,
    FULL_SCORE,
    MINIBATCH_SCORE,
    MODEL_USAGE,
    SEARCH,
    USAGE,
)
from otel_dspy.mlflow.records.param_names import FORECAST, LANGUAGE_MODEL
from otel_dspy.reporting.runs.summary_rows import mappings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities import Run

_USAGE: Final = (
    "input_tokens", "output_tokens", "lm_calls", "cache_hits", "cost", "unpriced_calls", "embedding_calls",
    "late_calls",
)  # fmt: skip
_MODEL: Final = MODEL_USAGE.removeprefix(USAGE)
_RETURNING: Final = frozenset({"FINISHED", "RUNNING"})
"""Status of runs of optimizations that have returned a program, or may do so."""
_PYTHON: Final[Mapping[str, object]] = {"True": True, "False": False, "None": None}
"""MLflow's clients write these parameters by `str`."""


def summary_of_runs(run: Run, trials: Mapping[int, Run]) -> dict[str, Any]:
    """Return what `optimization_summary.json` would contain so far, from tags, parameters and metrics.

    Args:
        run: the optimization's run.
        trials: the trials' runs, by index.
    """
    tags, metrics = run.data.tags, _finite(run.data.metrics)
    found = [_trial(index, trials[index], run.info.start_time or 0) for index in sorted(trials)]
    best = [
        trial["index"]
        for trial in found
        if trials[trial["index"]].data.tags.get(semconv.DSPY_TRIAL_IS_BEST) == "true" and trial["failure"] is None
    ]
    baselines = [trial["score"] for trial in found if trial["kind"] == "baseline" and trial["score"] is not None]
    summary = {
        "optimizer": tags.get(semconv.DSPY_OPTIMIZER_NAME),
        "program": tags.get(semconv.DSPY_PROGRAM_NAME),
        "metric": tags.get(semconv.DSPY_METRIC_NAME),
        "parameters": {
            name: parsed(value)
            for name, value in run.data.params.items()
            if not name.startswith((LANGUAGE_MODEL, FORECAST))
        },
        "initial_score": next(iter(baselines), None),
        "best_score": metrics.get(BEST_SCORE),
        "score_unit": next((trial["unit"] for trial in found if trial["unit"]), None),
        "best_trial": max(best, default=None),
        "error": tags.get(ERROR_TYPE),
        "duration": _seconds(run),
        "usage": _usage(metrics, written=any(semconv.DSPY_TRIAL_STATE in one.data.tags for one in trials.values())),
        "trials": found,
    }
    return best_with_a_score(summary, str(run.info.status))


def best_with_a_score(summary: dict[str, Any], status: str) -> dict[str, Any]:
    """Return the summary; of an optimization that was stopped or raised, with a best trial that has a score.

    Some optimizers keep a first trial whose score is NaN as the best. Where they return its program, or may do so, that
    is the best one.

    Args:
        summary: what `optimization_summary.json` contains, or would.
        status: status of the optimization's run.
    """
    trials = mappings(summary.get("trials"))
    chosen = [trial for trial in trials if trial["index"] == summary.get("best_trial")]
    scored = [
        trial
        for trial in trials
        if (trial.get("scope"), trial.get("state"), trial.get("failure")) == ("full", "complete", None)
        and trial.get("score") is not None
    ]
    if status in _RETURNING or not chosen or chosen[0].get("score") is not None or not scored:
        return summary
    best = max(scored, key=lambda trial: float(trial["score"]))
    return {**summary, "best_trial": best["index"], "best_score": best["score"]}


def _trial(index: int, run: Run, began_ms: int) -> dict[str, Any]:
    tags, metrics = run.data.tags, _finite(run.data.metrics)
    return {
        "index": index,
        "label": tags.get(semconv.DSPY_TRIAL_LABEL),
        "kind": tags.get(semconv.DSPY_TRIAL_KIND),
        "scope": tags.get(semconv.DSPY_TRIAL_SCOPE),
        "score": metrics.get(FULL_SCORE, metrics.get(MINIBATCH_SCORE)),
        "unit": tags.get(semconv.DSPY_TRIAL_SCORE_UNIT),
        "state": _state(run),
        "parameters": {name: parsed(value) for name, value in run.data.params.items()},
        "reason": tags.get(semconv.DSPY_TRIAL_REASON),
        "measures": {key.removeprefix(SEARCH): value for key, value in metrics.items() if key.startswith(SEARCH)},
        "error": tags.get(ERROR_TYPE),
        "failure": _failure(tags),
        "program_id": tags.get(semconv.DSPY_PROGRAM_ID),
        "started": _started(run.info.start_time, began_ms),
        "duration": _seconds(run),
        "usage": _usage(metrics, written=semconv.DSPY_TRIAL_STATE in tags),
    }


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics with a number, as the summary has: MLflow's stores keep infinity as the largest float."""
    return {name: value for name, value in metrics.items() if abs(value) < sys.float_info.max}


def _failure(tags: Mapping[str, str]) -> str | None:
    """Return the first failure of a trial in which every example failed: it is the error of a trial that completed."""
    kind = tags.get(semconv.DSPY_FAILURES_FIRST_TYPE)
    if kind is None or ERROR_TYPE not in tags or tags.get(semconv.DSPY_TRIAL_STATE) != "complete":
        return None
    return failure_text(kind, tags.get(semconv.DSPY_FAILURES_FIRST_MESSAGE))


def _state(run: Run) -> str:
    """Return how the trial ended, or `running`."""
    status = str(run.info.status).lower()
    # Tags are written first, so its score may follow.
    if status == "running" and not run.data.metrics:
        return status
    # A run whose trial has not been received is a placeholder without this tag.
    return run.data.tags.get(semconv.DSPY_TRIAL_STATE) or status


def _started(start_ms: int | None, began_ms: int) -> float | None:
    """Return the seconds from the start of the optimization to that of a trial; None if the clock was set back."""
    return (start_ms - began_ms) / 1000 if start_ms and 0 < began_ms <= start_ms else None


def _seconds(run: Run) -> float:
    start = run.info.start_time
    end = run.info.end_time or time.time() * 1000
    return max(0.0, (end - start) / 1000) if start else 0.0


def _usage(metrics: Mapping[str, float], *, written: bool) -> dict[str, Any]:
    """Return a usage record as in the summary.

    Args:
        metrics: metrics of the run.
        written: whether its usage has been written: calls without a metric were not observed then.
    """
    used = {key.removeprefix(USAGE): value for key, value in metrics.items() if key.startswith(USAGE)}
    usage: dict[str, Any] = {"lm_calls": None} if written else {}
    usage |= {name: used[name] for name in _USAGE if name in used}
    roles: dict[str, dict[str, float]] = {}
    models: dict[str, dict[str, float]] = {}
    for key, value in used.items():
        name, _, role = key.partition("/")
        if role and name in _USAGE:
            roles.setdefault(role, {})[name] = value
        model, _, name = key.removeprefix(_MODEL).rpartition("/")
        if key.startswith(_MODEL) and name in _USAGE:
            models.setdefault(model, {})[name] = value
    return usage | {"by_role": roles, "by_model": models}


def parsed(text: str) -> object:
    """Return the value of a parameter, which MLflow keeps as text."""
    if text in _PYTHON:
        return _PYTHON[text]
    try:
        return json.loads(text)
    except (RecursionError, ValueError):
        return text
