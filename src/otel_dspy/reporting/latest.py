"""Argument `latest`, in place of a run's id: the optimization of a store that started last."""

from __future__ import annotations

from typing import Final

LATEST: Final = "latest"
