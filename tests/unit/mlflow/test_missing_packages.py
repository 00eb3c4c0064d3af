"""What `otel_dspy.mlflow` needs, where it is not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys

sys.modules[{missing!r}] = None  # as if it were not installed
import otel_dspy.mlflow

otel_dspy.mlflow.{name}
"""


@pytest.mark.parametrize("name", ["autolog", "MlflowSpanProcessor"])
@pytest.mark.parametrize("missing", ["mlflow", "opentelemetry.sdk.trace"])
def test_the_error_names_the_extra(name: str, missing: str) -> None:
    """It is that of the import, with what to install."""
    program = [sys.executable, "-c", PROGRAM.format(missing=missing, name=name)]
    result = subprocess.run(program, capture_output=True, text=True, check=False, timeout=300)
    line = result.stderr.splitlines()[-1]
    assert line.startswith(f"ModuleNotFoundError: otel_dspy.mlflow.{name} needs {missing}")
    assert line.endswith(", which is missing. Install otel-dspy[mlflow].")
