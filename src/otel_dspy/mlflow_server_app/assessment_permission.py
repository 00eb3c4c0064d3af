"""MLflow's permission for assessments, which MLflow checks for trace infos and not on its OTLP endpoint."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_ASSESSMENT: Final = "RESOURCE_TYPE_ASSESSMENT"
"""Name in an MLflow that has this permission; an older one checks for infos what it checks for spans."""


def is_granted(scope: MutableMapping[str, Any], experiment_id: str) -> bool:
    """Whether the user of a request may write assessments, according to MLflow's `basic-auth`.

    Args:
        scope: ASGI scope of a request that `basic-auth` has let through.
        experiment_id: the experiment of the traces.

    Raises:
        MlflowException: the user does not exist any more.
    """
    # It loads `mlflow[auth]`, which only such a server has. These names are public, and not documented.
    auth: Any = importlib.import_module("mlflow.server.auth")
    if not hasattr(auth, _ASSESSMENT):
        return True
    try:
        user = auth.store.get_user(scope["state"]["username"])
        required = auth.Requirement(getattr(auth, _ASSESSMENT), "*", auth.ACTION_NOT_DENIED)
        experiment = (auth.RESOURCE_TYPE_EXPERIMENT, experiment_id)
        return bool(user.is_admin or auth.authorize(user.username, experiment, [required]))
    except (AttributeError, KeyError, TypeError):
        return False  # a name has changed: the delivery uses MLflow's API, which checks the permission
