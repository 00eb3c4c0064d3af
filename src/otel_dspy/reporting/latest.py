"""The latest optimization of a store, as an argument in place of a run's id."""

from __future__ import annotations

from typing import Final

LATEST: Final = "latest"
