"""The terminal that reports are written to."""

from __future__ import annotations

import sys

from rich.console import Console


def terminal() -> Console:
    """Give a console on what is standard output now, whatever `sys.stdout` becomes later."""
    return Console(file=sys.stdout, soft_wrap=False)
