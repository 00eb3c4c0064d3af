"""Environment variables of otel-dspy that the doctor knows: all that the package reads."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from otel_dspy.bridge.configuration import setting_definitions as bridge
from otel_dspy.environment.variable_names import KNOWN
from otel_dspy.mlflow.delivery import drain_timeout, spool_folder
from otel_dspy.settings import BUDGET_VARIABLES, CONTENT_VARIABLE, Settings

PREFIX: Final = "OTEL_DSPY_"
ELSEWHERE: Final = {f"{PREFIX}CAPTURE_CONTENT": CONTENT_VARIABLE, f"{PREFIX}BUDGET": f"{PREFIX}BUDGET_*"}
"""Variables that do not exist, and those that the setting has instead."""


def known() -> frozenset[str]:
    """Return the names of all `OTEL_DSPY_` variables that the package reads."""
    settings = {f"{PREFIX}{field.name.upper()}" for field in fields(Settings)}
    flags = {bridge.variable(flag) for flag, *_ in bridge.FLAGS} | {bridge.TOKEN_VARIABLE}
    others = {spool_folder.FOLDER_VARIABLE, spool_folder.MAX_BYTES_VARIABLE, drain_timeout.TIMEOUT_VARIABLE}
    others |= KNOWN | set(BUDGET_VARIABLES.values())
    return frozenset((settings - ELSEWHERE.keys()) | flags | others)
