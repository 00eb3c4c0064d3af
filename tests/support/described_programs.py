"""How often MIPROv2 describes a program to the model that proposes instructions; see `docs/surprises.md`."""

from __future__ import annotations

import sys
from typing import Final

DESCRIPTIONS: Final = 2 if sys.version_info < (3, 14) else 0
"""Calls for each proposal: one on the program and one on the module. DSPy 3.4 makes none on Python 3.14."""
