"""Warnings in the terminal of a program that does not configure logging."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import io, logging, sys
from opentelemetry.sdk.trace import TracerProvider
from otel_dspy.mlflow import progress_display

class Terminal(io.StringIO):
    def isatty(self):
        return True

sys.stderr = Terminal()
for _ in range(2):  # as `autolog` called twice
    progress_display.show_progress(TracerProvider(shutdown_on_exit=False), None)
{configure}
logging.getLogger("otel_dspy.mlflow.x").info("unimportant")
sys.stderr.write(" 50%|#####     | 3/6")
logging.getLogger("otel_dspy.mlflow.x").warning("MLflow at %s is unavailable", "http://host")
print(repr(sys.stderr.getvalue()))
"""


@pytest.mark.parametrize(
    ("configure", "expected"),
    [
        ("", r" 50%|#####     | 3/6\r\x1b[Kotel-dspy: MLflow at http://host is unavailable\n"),
        (
            "logging.basicConfig(format='%(levelname)s %(message)s')",
            r" 50%|#####     | 3/6WARNING MLflow at http://host is unavailable\n",
        ),
    ],
)
def test_a_line_of_its_own(configure: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar is removed and otel-dspy is named, once; a program that configures logging has its own format alone."""
    monkeypatch.delenv("OTEL_DSPY_PROGRESS", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    program = PROGRAM.replace("{configure}", configure)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"'{expected}'\n"
