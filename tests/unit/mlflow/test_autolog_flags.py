"""The flags of `autolog`: code that calls `mlflow.dspy.autolog` needs no other arguments."""

from __future__ import annotations

import inspect

from mlflow.dspy import autolog as flags_of_mlflow

from otel_dspy.mlflow import MlflowSpanProcessor, autolog


def test_the_flags_are_those_of_mlflow() -> None:
    """By name and order, which come before our own; everything is recorded, with output, unless a flag is given."""
    mlflows = list(inspect.signature(flags_of_mlflow).parameters)
    ours = inspect.signature(autolog).parameters
    assert list(ours)[: len(mlflows)] == mlflows
    assert {name: ours[name].default for name in mlflows} == {
        name: name not in {"disable", "silent"} for name in mlflows
    }
    assert {ours[name].kind for name in mlflows} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    assert {ours[name].kind for name in list(ours)[len(mlflows) :]} == {inspect.Parameter.KEYWORD_ONLY}


def test_the_flags_of_a_processor_are_those_of_autolog() -> None:
    """What is recorded without a flag is the same."""
    ours, processors = inspect.signature(autolog).parameters, inspect.signature(MlflowSpanProcessor).parameters
    shared = processors.keys() & ours.keys()
    assert {"log_traces", "log_traces_from_compile", "log_traces_from_eval", "log_compiles", "log_evals"} <= shared
    assert {name: processors[name].default for name in shared} == {name: ours[name].default for name in shared}
