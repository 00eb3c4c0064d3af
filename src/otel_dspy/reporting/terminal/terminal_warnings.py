"""Warnings of otel-dspy on a terminal of a program without logging: a line of their own, with a name."""

from __future__ import annotations

import logging
import sys
from typing import Final

from typing_extensions import override

_ROOT: Final = "otel_dspy"
OVER_A_BAR: Final = "\r\x1b[K"
"""Removes a progress bar of DSPy's from the terminal's line; it is drawn again with its next step."""


class TerminalWarnings(logging.Handler):
    """Writes what Python would print without a name, after a progress bar, where no logging is configured.

    A program that configures logging, for all loggers or for otel-dspy's, has only its own handlers' output.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            if not self._alone(record.name):
                return
            over = OVER_A_BAR if sys.stderr.isatty() else ""
            sys.stderr.write(f"{over}otel-dspy: {self.format(record)}\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - as handlers of the standard library
            self.handleError(record)

    def _alone(self, name: str) -> bool:
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            if any(handler is not self and not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
                return False
            logger = logger.parent if logger.propagate else None
        return True


def write_warnings_on_own_lines() -> None:
    """Install the handler on otel-dspy's logger, once."""
    logger = logging.getLogger(_ROOT)
    if not any(isinstance(handler, TerminalWarnings) for handler in logger.handlers):
        logger.addHandler(TerminalWarnings())
