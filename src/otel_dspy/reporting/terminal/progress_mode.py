"""Mode of the progress that `autolog` shows, if any: OTEL_DSPY_PROGRESS, else by the stream."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING, TextIO

from otel_dspy.environment.variable_names import PROGRESS

if TYPE_CHECKING:
    from collections.abc import Mapping

_logger = logging.getLogger(__name__)


class ProgressMode(StrEnum):
    """How progress is shown."""

    OFF = "off"
    PLAIN = "plain"
    """Lines without colors, also in a log or pipe."""
    RICH = "rich"
    """With colors."""
    NOTEBOOK = "notebook"
    """One display, updated in place. Has no effect outside a Jupyter kernel, as if the variable was not set."""


def named_mode(text: str) -> ProgressMode:
    """Return the mode with this name, in any case.

    Raises:
        ValueError: there is none; the message names all modes.
    """
    try:
        return ProgressMode(text.strip().lower())
    except ValueError:
        *first, last = ProgressMode
        message = f"{text!r} is not a mode; use {', '.join(first)} or {last}"
        raise ValueError(message) from None


def progress_mode(environment: Mapping[str, str], stream: TextIO, *, kernel: bool = False) -> ProgressMode:
    """Return the mode: that of the variable, else NOTEBOOK in a kernel, RICH on a terminal and OFF elsewhere.

    Args:
        environment: environment variables.
        stream: where progress would be written.
        kernel: whether a Jupyter kernel runs the process.
    """
    text = environment.get(PROGRESS, "").strip()
    if text:
        try:
            mode = named_mode(text)
        except ValueError as error:
            _logger.warning("%s: %s. The default is used.", PROGRESS, error)
        else:
            if kernel or mode is not ProgressMode.NOTEBOOK:
                return mode
    if kernel:
        return ProgressMode.NOTEBOOK
    if not _is_terminal(stream):
        return ProgressMode.OFF
    return ProgressMode.PLAIN if environment.get("TERM") == "dumb" else ProgressMode.RICH


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # no stream, or a closed one
        return False
