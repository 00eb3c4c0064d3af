"""Conflict with MLflow's own DSPy autologging: prevents MLflow from enabling it, and warns if the user has."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, cast

from mlflow.utils import autologging_utils
from wrapt import register_post_import_hook

_logger = logging.getLogger(__name__)

_FLAVOR: Final = "dspy"
_SETTINGS: Final[dict[str, dict[str, Any]]] = cast("Any", autologging_utils).AUTOLOGGING_INTEGRATIONS
_OFF: Final[dict[str, Any]] = {"disable": True}
_warned = False
_keeps_off = False
_hooked = False


def keep_off() -> None:
    """Prevent `mlflow.genai.evaluate`, `optimize_prompts` and `mlflow.autolog` from enabling DSPy's autologging.

    They enable it during an evaluation unless it is set as disabled: each row would have two traces. A call of
    `mlflow.dspy.autolog` by the user is respected.
    """
    global _keeps_off, _hooked  # noqa: PLW0603 - MLflow's setting is one for the process as well
    _keeps_off = True
    _set_off()
    if not _hooked:
        _hooked = True
        # Importing it clears the setting.
        register_post_import_hook(lambda _module: _set_off(), "mlflow.dspy.autolog")


def allow() -> None:
    """Undo `keep_off`."""
    global _keeps_off  # noqa: PLW0603 - the same
    _keeps_off = False
    if _SETTINGS.get(_FLAVOR) is _OFF:
        del _SETTINGS[_FLAVOR]


def _set_off() -> None:
    if _keeps_off and not _SETTINGS.get(_FLAVOR):
        _SETTINGS[_FLAVOR] = _OFF


def mlflow_autologs() -> bool:
    """Return whether MLflow's callback is registered with DSPy; does not import DSPy."""
    dspy: Any = sys.modules.get("dspy")
    callbacks: Any = getattr(getattr(dspy, "settings", None), "callbacks", None) or ()
    return any(type(callback).__module__.startswith("mlflow.dspy") for callback in callbacks)


def warn_if_mlflow_autologs() -> None:
    """Warn, once in a process, if MLflow's callback is registered with DSPy; does not import DSPy."""
    global _warned  # noqa: PLW0603 - once in a process is what it means
    if _warned:
        return
    if mlflow_autologs():
        _warned = True
        _logger.warning(
            "MLflow's own DSPy autologging is on too: everything is recorded twice, and a metric that raises is turned "
            "into None. Turn it off with mlflow.dspy.autolog(disable=True)."
        )
