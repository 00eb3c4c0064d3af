"""Inputs and outputs of control spans in an MLflow trace: what was tried, and the result."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from otel_dspy import semconv as sc
from otel_dspy.serialization.json_types import whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

_INPUTS: Final[Mapping[str, Mapping[str, str]]] = {
    "compile": {sc.DSPY_OPTIMIZER_NAME: "optimizer", sc.DSPY_PROGRAM_NAME: "program", sc.DSPY_METRIC_NAME: "metric"},
    "trial": {sc.DSPY_TRIAL_INDEX: "trial", sc.DSPY_TRIAL_LABEL: "label", sc.DSPY_TRIAL_KIND: "kind"},
    "evaluate": {sc.DSPY_PROGRAM_NAME: "program", sc.DSPY_METRIC_NAME: "metric"},
}
_OUTPUTS: Final[Mapping[str, Mapping[str, str]]] = {
    "compile": {
        sc.DSPY_COMPILE_INITIAL_SCORE: "initial_score",
        sc.DSPY_COMPILE_BEST_SCORE: "best_score",
        sc.DSPY_TRIAL_SCORE_UNIT: "score_unit",
        sc.DSPY_COMPILE_BEST_TRIAL_INDEX: "best_trial",
        sc.DSPY_COMPILE_TRIAL_COUNT: "trials",
    },
    "trial": {
        sc.DSPY_TRIAL_SCORE: "score",
        sc.DSPY_TRIAL_SCORE_UNIT: "score_unit",
        sc.DSPY_TRIAL_SCOPE: "scope",
        sc.DSPY_TRIAL_STATE: "state",
        sc.DSPY_TRIAL_REASON: "reason",
        sc.DSPY_TRIAL_IS_BEST: "is_best",
    },
    "evaluate": {
        sc.DSPY_EVALUATE_SCORE: "score",
        sc.DSPY_EVALUATE_NUM_EXAMPLES: "examples",
        sc.DSPY_EVALUATE_NUM_ERRORS: "errors",
    },
}
_USAGE: Final[Mapping[str, str]] = {
    sc.DSPY_USAGE_LM_CALLS: "lm_calls",
    sc.DSPY_USAGE_INPUT_TOKENS: "input_tokens",
    sc.DSPY_USAGE_OUTPUT_TOKENS: "output_tokens",
    sc.DSPY_USAGE_COST: "cost",
}
TOKENS: Final = "tokens_in_all_traces"
"""Name of the sum of tokens, the first output of a compile: MLflow's list of traces begins with it, beside its column
of tokens, which has those of the trace alone.
"""
USAGE: Final = "usage_in_all_traces"
"""Name of the totals. MLflow's own sums of a trace lack the calls of examples that are traces of their own."""


def control_inputs(attributes: Mapping[str, object]) -> dict[str, Any] | None:
    """Return what was tried; None for another span, or if nothing is recorded."""
    operation = str(attributes.get(sc.DSPY_OPERATION_NAME))
    found = _named(attributes, _INPUTS.get(operation, {}))
    if operation == "trial":
        start = len(sc.DSPY_TRIAL_PARAMETER)
        chosen = {name[start:]: attributes[name] for name in attributes if name.startswith(sc.DSPY_TRIAL_PARAMETER)}
        found |= {"parameters": chosen} if chosen else {}
    return found or None


def control_outputs(attributes: Mapping[str, object]) -> dict[str, Any] | None:
    """Return the result, with the usage of all calls inside (cost in USD); None for another span, or without one."""
    names = _OUTPUTS.get(str(attributes.get(sc.DSPY_OPERATION_NAME)))
    if names is None:
        return None
    usage = _named(attributes, _USAGE)
    return {**_tokens(attributes), **_named(attributes, names), **({USAGE: usage} if usage else {})} or None


def _tokens(attributes: Mapping[str, object]) -> dict[str, Any]:
    """Return the sum of tokens of a compile; empty for another span, or if no call was observed."""
    parts = (whole_number(attributes.get(name)) for name in (sc.DSPY_USAGE_INPUT_TOKENS, sc.DSPY_USAGE_OUTPUT_TOKENS))
    known = [part for part in parts if part is not None]
    is_compile = attributes.get(sc.DSPY_OPERATION_NAME) == "compile"
    return {TOKENS: sum(known)} if is_compile and known else {}


def control_content(attributes: Mapping[str, object]) -> dict[str, object]:
    """Return both as attributes of MLflow's span; empty for another span."""
    both = {"mlflow.spanInputs": control_inputs(attributes), "mlflow.spanOutputs": control_outputs(attributes)}
    return {name: content for name, content in both.items() if content is not None}


def _named(attributes: Mapping[str, object], names: Mapping[str, str]) -> dict[str, Any]:
    return {name: _json_value(attributes[source]) for source, name in names.items() if source in attributes}


def _json_value(value: object) -> object:
    """Return the value as JSON has it: a score may be NaN."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
