"""Statuses of a gate and their exit statuses. Apart from the checks, which import SciPy."""

from __future__ import annotations

from typing import Final, Literal

Status = Literal["pass", "fail", "unknown"]
EXIT_STATUS: Final[dict[Status, int]] = {"pass": 0, "fail": 1, "unknown": 2}
"""Invalid arguments have that of `unknown`."""
