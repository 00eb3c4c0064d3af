"""Conversion of `optimization_summary.json` to rows of the trials table and usage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.mlflow.records.param_names import FORECAST
from otel_dspy.reporting.compile_result import CallForecast, CallUse, Phase
from otel_dspy.reporting.trials.trial_row import ModelUse, TrialRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOW: Final = re.compile(re.escape(FORECAST) + r"(?:role\.(.+)\.)?lm_calls\.low")


def trial_rows(summary: Mapping[str, Any]) -> list[TrialRow]:
    """Return the trials by index; only the optimizer's choice is marked as the best."""
    found = sorted(mappings(summary.get("trials")), key=lambda trial: int(trial["index"]))
    return list(_rows(found, summary))


def best_trial(summary: Mapping[str, Any]) -> int | None:
    """Return the index of the trial whose program was returned; None if every example failed in it: it won nothing."""
    index = summary.get("best_trial")
    failed = (trial for trial in mappings(summary.get("trials")) if trial.get("failure") is not None)
    return None if any(trial["index"] == index for trial in failed) else index


def _rows(trials: list[dict[str, Any]], summary: Mapping[str, Any]) -> Iterator[TrialRow]:
    best: float | None = None
    kept = False  # whether the best trial has no finite score: nothing was better for the optimizer from then on
    best_index = best_trial(summary)
    for trial in trials:
        score, usage = number(trial.get("score")), mapping(trial.get("usage"))
        returned = trial["index"] == best_index
        kept = kept or (returned and score is None)
        if score is not None and trial.get("scope") == "full" and trial.get("state") == "complete":
            best = score if best is None else max(best, score)
        yield TrialRow(
            index=int(trial["index"]),
            label=trial.get("label"),
            kind=str(trial.get("kind") or "candidate"),
            state=str(trial.get("state") or "complete"),
            scope=trial.get("scope"),
            score=score,
            unit=trial.get("unit") or summary.get("score_unit"),
            best_score=None if kept else best,
            is_best=returned,
            parameters=mapping(trial.get("parameters")),
            input_tokens=int(usage.get("input_tokens") or 0),
            output_tokens=int(usage.get("output_tokens") or 0),
            lm_calls=int(usage.get("lm_calls") or 0),
            cost=number(usage.get("cost")),
            seconds=number(trial.get("duration")) or 0.0,
            unpriced_calls=int(usage.get("unpriced_calls") or 0),
            models=uses(usage.get("by_model")),
            observed=_is_observed(usage),
            failure=trial.get("failure"),
        )


def uses(found: object) -> dict[str, ModelUse]:
    """Return usage by role or by model, ordered by name."""
    return {name: use(part) for name, part in sorted(mapping(found).items())}


def use(found: object) -> ModelUse:
    """Return one usage record of the summary."""
    values = mapping(found)
    return ModelUse(
        calls=int(values.get("lm_calls") or 0),
        tokens=int(values.get("input_tokens") or 0) + int(values.get("output_tokens") or 0),
        cost=number(values.get("cost")),
        unpriced_calls=int(values.get("unpriced_calls") or 0),
        observed=_is_observed(values),
    )


def _is_observed(usage: Mapping[str, Any]) -> bool:
    """Return whether calls were observed: if not, the summary has null for them."""
    return usage.get("lm_calls", 0) is not None


def task_use(found: object) -> CallUse | None:
    """Return the part of a usage record that the program itself has used; the whole where roles are not recorded."""
    values = mapping(found)
    part = mapping(mapping(values.get("by_role")).get("task")) if values.get("by_role") else values
    calls = int(part.get("lm_calls") or 0)
    if not calls:
        return None
    return CallUse(
        calls,
        int(part.get("cache_hits") or 0),
        int(part.get("input_tokens") or 0),
        int(part.get("output_tokens") or 0),
        number(part.get("cost")),
        int(part.get("unpriced_calls") or 0),
    )


def call_forecast(parameters: Mapping[str, str]) -> dict[str | None, CallForecast]:
    """Return the forecast of language model calls from the parameters of the optimization's run, by role."""
    found: dict[str | None, CallForecast] = {}
    for name, low in parameters.items():
        if (matched := _LOW.fullmatch(name)) and low.isdecimal():
            high = parameters.get(f"{name.removesuffix('low')}high", "")
            found[matched[1]] = CallForecast(int(low), int(high) if high.isdecimal() else None)
    return found


def phases(found: object) -> tuple[Phase, ...]:
    """Return the phases of the summary, in order."""
    return tuple(
        Phase(str(phase.get("name")), number(phase.get("started")) or 0.0, number(phase.get("duration")) or 0.0)
        for phase in mappings(found)
    )


def mapping(value: object) -> dict[str, Any]:
    """Return the value if it is an object of JSON, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def mappings(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list; empty if the value is not a list."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def numbers(value: object) -> dict[str, float]:
    """Return the numbers of an object of JSON by name, without other values: null is a score that was not finite."""
    found = {name: number(item) for name, item in mapping(value).items()}
    return {name: item for name, item in found.items() if item is not None}


def number(value: object) -> float | None:
    """Return a number as a float, a truth value as 0 or 1; None for anything else."""
    return float(value) if isinstance(value, bool | int | float) else None
