"""A program under `opentelemetry-instrument`, configured by environment variables only."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tests.support.child_process import heed_ctrl_c
from tests.support.programs import piped_program, run_program

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from tests.support.programs import Program

ROOT = Path(__file__).parents[2]
INSTRUMENT = Path(sys.executable).with_name("opentelemetry-instrument")
_INITIALIZED = """
import runpy, sys
from opentelemetry.instrumentation.auto_instrumentation import initialize
initialize()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TIMEOUT = 240
"""Seconds; a cold import of DSPy and MLflow takes many on a loaded machine."""


def environment(**variables: str) -> Mapping[str, str]:
    """This process' environment, with nothing exported unless these variables say so."""
    # `mlflow.set_experiment` leaves the id of an experiment there, which an earlier test's store had.
    own = {name: value for name, value in os.environ.items() if name != "MLFLOW_EXPERIMENT_ID"}
    return {
        **own,
        "PYTHONPATH": str(ROOT),
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "120",  # seconds; after 10 by default the SDK drops what a busy receiver has
        "OTEL_SERVICE_NAME": "sums",
        **variables,
    }


def run_instrumented(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `python <command>` under `opentelemetry-instrument` to its end."""
    return subprocess.run(
        [INSTRUMENT, sys.executable, *command], env=environment(**variables), capture_output=True, text=True,
        timeout=TIMEOUT, check=False,
    )  # fmt: skip


def run_initialized(program: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program after what `opentelemetry-instrument` has an interpreter do at its start, in a fork: see `Program`.

    For tests whose subject is what the program emits; those of the command itself use `run_instrumented`.
    """
    return run_program(
        str(program), *arguments, text=_INITIALIZED, environment=environment(**variables), patience=TIMEOUT
    )


@contextmanager
def start_initialized(program: Path, *arguments: str, **variables: str) -> Generator[tuple[Program, IO[str]]]:
    """Start what `run_initialized` runs; its standard output is to be read. It is killed at the end if it is still there."""
    with piped_program(str(program), *arguments, text=_INITIALIZED, environment=environment(**variables)) as (
        process,
        output,
    ):
        yield process, output


def start_instrumented(*command: str | Path, **variables: str) -> subprocess.Popen[str]:
    """Start it, in a session of its own; its output is to be read."""
    return subprocess.Popen(
        [INSTRUMENT, *command], env=environment(**variables), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
        preexec_fn=heed_ctrl_c,  # noqa: PLW1509 - one call, no lock
    )  # fmt: skip
