"""The demo as a program of its own, in a new folder, with a scripted model in the place of the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import scripted_lm
from tests.support.programs import run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class DemoResult:
    """What a finished demo left behind."""

    status: int
    output: str
    errors: str
    folder: Path
    """The working folder, in which its store is."""

    @property
    def tracking_uri(self) -> str:
        """Where its runs are."""
        return f"sqlite:///{self.folder}/mlflow.db"


def sentiment_of(inputs: Mapping[str, str]) -> str:
    """Answer rightly often enough that trials differ."""
    glad = any(word in inputs["tweet"].lower() for word in ("thank", "love", "great", "awesome", "good"))
    return "positive" if glad else "negative"


def run_demo(folder: Path, *arguments: str, forked: bool = True, **environment: str) -> DemoResult:
    """Run `otel-dspy demo` in `folder` to its end, in a fork (see `Program`) or in an interpreter as a user starts it."""
    everything = os.environ | environment
    if forked:
        done = run_program("demo", *arguments, module="otel_dspy", folder=folder, environment=everything, patience=500)
    else:
        command = [sys.executable, "-m", "otel_dspy", "demo", *arguments]
        done = subprocess.run(
            command, cwd=folder, env=everything, capture_output=True, text=True, timeout=500, check=False
        )
    return DemoResult(done.returncode, done.stdout, done.stderr, folder)


@pytest.fixture
def scripted_demo(tmp_path: Path) -> Generator[Callable[..., DemoResult]]:
    """Run the demo on the scripted model, with further arguments."""
    with scripted_lm(dspy_script({"sentiment": sentiment_of})) as lm:

        def demo(*arguments: str, forked: bool = True) -> DemoResult:
            served = ("--lm", "openai/scripted", "--api-base", lm.api_base)
            cache = str(tmp_path / "cache")
            return run_demo(tmp_path, *served, *arguments, forked=forked, OPENAI_API_KEY="sk-demo", DSPY_CACHEDIR=cache)

        yield demo
