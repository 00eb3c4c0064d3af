"""Progress that a program prints when it ends and its delivery to MLflow takes more than a second, on a busy machine."""

from __future__ import annotations

import re

_LINE = re.compile(r"(?m)^otel-dspy: \d+ spans not yet delivered to MLflow .*\n?")


def without_progress(errors: str) -> str:
    """What the program wrote to its standard error, without these lines."""
    return _LINE.sub("", errors)
