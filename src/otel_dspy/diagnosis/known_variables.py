"""Environment variables of otel-dspy that the doctor knows: all that the package reads."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from otel_dspy.bridge.configuration.setting_definitions import FLAGS
from otel_dspy.environment.variable_names import KNOWN, PREFIX, of_bridge_flag, of_setting
from otel_dspy.settings import BUDGET_VARIABLES, CONTENT_VARIABLE, Settings

ELSEWHERE: Final = {f"{PREFIX}CAPTURE_CONTENT": CONTENT_VARIABLE, f"{PREFIX}BUDGET": f"{PREFIX}BUDGET_*"}
"""Variables that do not exist, and those that the setting has instead."""


def known() -> frozenset[str]:
    """Return the names of all `OTEL_DSPY_` variables that the package reads."""
    settings = {of_setting(field.name) for field in fields(Settings)} - ELSEWHERE.keys()
    flags = {of_bridge_flag(flag) for flag, *_ in FLAGS}
    return frozenset(settings | flags | set(BUDGET_VARIABLES.values()) | KNOWN)
