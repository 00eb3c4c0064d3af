"""What the reports use of rich, imported without a draw from the program's random numbers.

`rich.style` draws one when it is first imported (rich 15.0.0), which a report does on a thread of otel-dspy while the
program runs: a seeded program would continue with other numbers than without otel-dspy.
"""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def _private_draws() -> Generator[None]:
    """Give the current thread another generator of random bits while the block runs, and no other thread."""
    shared, private = random.getrandbits, random.Random()  # noqa: S311 - ids of styles
    drawing: int | None = threading.get_ident()

    def getrandbits(bits: int, /) -> int:
        return (private.getrandbits if threading.get_ident() == drawing else shared)(bits)

    random.getrandbits = getrandbits
    try:
        yield
    finally:
        random.getrandbits = shared
        drawing = None


with _private_draws():
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Table
    from rich.text import Text

__all__ = [
    "SIMPLE_HEAD",
    "BarColumn",
    "Console",
    "Progress",
    "SpinnerColumn",
    "Table",
    "Text",
    "TextColumn",
    "TimeElapsedColumn",
    "escape",
]
