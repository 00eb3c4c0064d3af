"""Console for reports."""

from __future__ import annotations

import sys

from otel_dspy.reporting.rich_classes import Console


def terminal() -> Console:
    """Return a console bound to the current `sys.stdout`, even if it is redirected later."""
    return Console(file=sys.stdout, soft_wrap=False)
