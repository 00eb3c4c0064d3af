"""Options of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

OptimizerName = Literal["mipro", "random_search", "gepa"]
OPTIMIZERS: tuple[OptimizerName, ...] = ("mipro", "random_search", "gepa")

OPTIMIZER_CLASSES: Mapping[str, OptimizerName] = {
    "miprov2": "mipro",
    "bootstrapfewshotwithrandomsearch": "random_search",
    "bootstraprs": "random_search",
}
"""DSPy's names of their classes, in lower case."""


@dataclass(frozen=True)
class DemoOptions:
    """Options of the demo. With the defaults it takes 2 to 4 minutes on two cores with the local model."""

    optimizer: OptimizerName = "mipro"
    trials: int = 6
    """Number of candidates; at least 1."""
    examples: int = 20
    """Number of training tweets, and of validation tweets; at least 4."""
    store: str = "."
    """Folder of a local MLflow store, or a tracking URI."""
    lm: str | None = None
    """Model by its DSPy name (`openai/gpt-4o-mini`); None for the local one."""
    api_base: str | None = None
    """Base URL of `lm`; None for its provider's."""
    verbose: bool = False
    """Show output and logs of DSPy and MLflow."""
