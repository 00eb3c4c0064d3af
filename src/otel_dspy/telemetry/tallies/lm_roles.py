"""Roles of LM calls: what a call is made for, by which usage is counted."""

from __future__ import annotations

from typing import Final

from otel_dspy import semconv

# Strings, not an enum: hashing an enum member runs Python code, and every LM call does it several times.
Role = semconv.DspyLmRole
"""`dspy.lm.role`: purpose of an LM call."""
TASK: Final[Role] = "task"
"""Work of the program or a teacher; also the default for calls of unknown purpose."""
PROMPT: Final[Role] = "prompt"
"""Generation of instructions or rules for the optimizer."""
REFLECTION: Final[Role] = "reflection"
"""Revision of texts by the optimizer on the basis of failures."""
JUDGE: Final[Role] = "judge"
"""Call made by the metric."""
