"""What a user can see of a scenario, as plain data: result or exception, output, warnings, log lines, histories, chance.

Two observations of one scenario are equal unless something that the user can see differs. Left out are only what differs
from one run to the next without any instrumentation: object addresses, uuids, clock times and rates.
"""

from __future__ import annotations

import gc
import io
import logging
import random
import re
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import numpy as np

from tests.behavior.data import as_data

if TYPE_CHECKING:
    from pathlib import Path

Scenario = Callable[["Stage"], Any]
"""Does something with DSPy and gives what came of it."""

_SEED: Final = 20_260
_GEPA_BAR: Final = re.compile(r"GEPA Optimization:.*?\[[^\]]*\]")
_FROM_RUN_TO_RUN: Final = (
    (re.compile(r"0x[0-9a-f]{6,}"), "0x…"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\[?\d{4}[-/]\d{2}[-/]\d{2}[T ]\d{2}:\d{2}:\d{2}[.,\d]*\]?"), "<time>"),
    (re.compile(r"\[\d+:\d{2}[^\]]*\]"), "[rate]"),
    (re.compile(r"\d+\.?\d*(e-?\d+)? seconds"), "<duration>"),
)


class Stage:
    """What a scenario is given: a language model with a history, and a folder of its own."""

    def __init__(self, lm: dspy.LM, folder: Path) -> None:
        self.lm = lm
        self.folder = folder


def observe(scenario: Scenario, stage: Stage) -> dict[str, Any]:
    """Run the scenario with `stage.lm` set, the same seeds as ever, and note all that can be seen."""
    random.seed(_SEED)
    np.random.seed(_SEED)  # noqa: NPY002 - the global generator is what a user's program may draw from
    out, err = io.StringIO(), io.StringIO()
    lines = _Lines()
    logger = logging.getLogger("dspy")
    logger.addHandler(lines)
    seen: dict[str, Any] = {}
    # What earlier tests left is not collected in this one, where its warnings would be recorded. It stays frozen: thawed,
    # the modules of DSPy and MLflow would take part in every later collection, a second each.
    gc.freeze()
    try:
        with (
            warnings.catch_warnings(record=True) as caught,
            redirect_stdout(out),
            redirect_stderr(err),
            dspy.context(lm=stage.lm),
        ):
            warnings.simplefilter("always")
            try:
                seen["result"] = as_data(scenario(stage))
            except BaseException as error:  # noqa: BLE001 - what a scenario raises is what is observed
                seen["raised"] = as_data(error)
                seen["frames"] = _frames(error)
    finally:
        logger.removeHandler(lines)
    seen |= {
        "printed": _last_states(out.getvalue()),
        "printed to stderr": _last_states(err.getvalue()),
        "logged": lines.texts,
        "warned": [_warning(warning) for warning in caught],
        "the model's history": as_data(stage.lm.history),
        "the next random numbers": [random.random(), float(np.random.random())],  # noqa: NPY002, S311 - see above
    }
    return cast("dict[str, Any]", _steady(seen, str(stage.folder)))


class _Lines(logging.Handler):
    """Keeps what is logged, with the traceback's last line."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        self.texts.append(f"{record.name} {record.levelname} {record.getMessage()} {error!r}")


def _last_states(text: str) -> list[str]:
    # A progress bar is drawn again as often as the clock allows: what counts is what it comes to.
    lines = [line.rpartition("\r")[2].rstrip() for line in text.split("\n")]
    return [_GEPA_BAR.sub("", line) for line in lines]


def _warning(caught: warnings.WarningMessage) -> tuple[str, str, str, int]:
    return caught.category.__name__, str(caught.message), caught.filename, caught.lineno


def _frames(error: BaseException) -> list[str]:
    """The functions that the exception came through."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def _steady(value: Any, folder: str) -> Any:
    if isinstance(value, str):
        text = value.replace(folder, "<folder>")
        for pattern, sign in _FROM_RUN_TO_RUN:
            text = pattern.sub(sign, text)
        return text
    if isinstance(value, Mapping):
        return {_steady(k, folder): _steady(v, folder) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_steady(item, folder) for item in cast("list[Any]", value)]
    return value
