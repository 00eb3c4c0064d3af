"""What a person may choose about the demo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OptimizerName = Literal["mipro", "random_search", "gepa"]
OPTIMIZERS: tuple[OptimizerName, ...] = ("mipro", "random_search", "gepa")


@dataclass(frozen=True)
class DemoOptions:
    """Choices; the defaults make a run of two to four minutes on two cores with the local model."""

    optimizer: OptimizerName = "mipro"
    trials: int = 6
    """Candidates that the optimizer tries; at least 1."""
    examples: int = 20
    """Tweets to learn from, and as many others to score on; at least 4."""
    store: str = "."
    """A folder for a local MLflow store, or a tracking URI."""
    lm: str | None = None
    """A model as DSPy names it (`openai/gpt-4o-mini`); None runs the local one."""
    api_base: str | None = None
    """Where `lm` is served, if not at its provider's own address."""
    verbose: bool = False
    """Show what DSPy and MLflow print and log."""
