"""Configures Logfire, records a call in MLflow, configures it again and calls `autolog` again, shuts it down twice, calls.

Prints the traces and the lines of the log as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

import dspy
from dspy.utils import DummyLM
from mlflow import MlflowClient

import otel_dspy.mlflow
from otel_dspy import DSPyInstrumentor
from tests.living_with_others.worker import Lines

EXPERIMENT = "configured again"


def configure() -> None:
    """What a program calls once, and a library or a notebook's cell once more."""
    logfire: Any = import_module("logfire")
    logfire.configure(send_to_logfire=False, console=False, metrics=False, inspect_arguments=False)


def main() -> None:
    """Record a call before, between and after."""
    uri, lines = os.environ["MLFLOW_TRACKING_URI"], Lines()
    lm: Any = DummyLM([{"answer": "1"}] * 4)
    configure()
    DSPyInstrumentor().instrument(capture_content=True)
    otel_dspy.mlflow.autolog(experiment=EXPERIMENT)
    with dspy.context(lm=lm):
        dspy.Predict("question -> answer")(question="before")
        configure()
        dspy.Predict("question -> answer")(question="between")
        otel_dspy.mlflow.autolog(experiment=EXPERIMENT)
        dspy.Predict("question -> answer")(question="after")
    assert otel_dspy.mlflow.flush(120)
    client = MlflowClient(uri)
    experiment: Any = client.get_experiment_by_name(EXPERIMENT)
    traces: Any = client.search_traces(locations=[experiment.experiment_id])
    previews = sorted(str(trace.info.request_preview) for trace in traces)
    found = {"traces": previews, "log": lines.taken()}
    logfire: Any = import_module("logfire")
    assert logfire.force_flush()
    assert logfire.shutdown()
    assert logfire.shutdown()
    assert otel_dspy.mlflow.flush(120)
    found["log of shutdowns"] = lines.taken()
    with dspy.context(lm=lm):
        dspy.Predict("question -> answer")(question="lost")
    sys.stdout.write(json.dumps(found | {"log after shutdowns": lines.taken()}) + "\n")


if __name__ == "__main__":
    main()
