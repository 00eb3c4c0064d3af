"""MLflow's permission for assessments, with modules in place of `mlflow[auth]`; `test_basic_auth.py` has the real one."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.mlflow_server_app.assessment_permission import is_granted

if TYPE_CHECKING:
    from collections.abc import Sequence

SCOPE: dict[str, Any] = {"state": {"username": "u"}}


def authorize(username: str, experiment: tuple[str, str], required: Sequence[tuple[str, str, str]]) -> bool:
    """MLflow's answer to a user who is denied assessments."""
    assert (username, experiment, required) == ("u", ("experiment", "7"), [("assessment", "*", "not denied")])
    return False


def granted_to_all(*_: object) -> bool:
    """MLflow's answer to others."""
    return True


def requirement(*parts: str) -> tuple[str, ...]:
    """MLflow's class is a tuple as well."""
    return parts


def auth(*, is_admin: bool = False, **replaced: object) -> SimpleNamespace:
    """The names of `mlflow.server.auth`."""

    def get_user(name: str) -> SimpleNamespace:
        return SimpleNamespace(username=name, is_admin=is_admin)

    names: dict[str, object] = {
        "RESOURCE_TYPE_ASSESSMENT": "assessment",
        "RESOURCE_TYPE_EXPERIMENT": "experiment",
        "ACTION_NOT_DENIED": "not denied",
        "Requirement": requirement,
        "authorize": authorize,
        "store": SimpleNamespace(get_user=get_user),
    }
    return SimpleNamespace(**{name: value for name, value in (names | replaced).items() if value is not None})


@pytest.mark.parametrize(
    ("module", "scope", "granted"),
    [
        (auth(), SCOPE, False),
        (auth(authorize=granted_to_all), SCOPE, True),
        (auth(is_admin=True), SCOPE, True),
        (auth(RESOURCE_TYPE_ASSESSMENT=None, authorize=None), SCOPE, True),
        (auth(authorize=None), SCOPE, False),
        (auth(authorize=granted_to_all), {"state": {}}, False),
    ],
    ids=["denied", "not denied", "administrator", "an MLflow without it", "a name has changed", "no user"],
)
def test_permission(
    module: SimpleNamespace, scope: dict[str, Any], *, granted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be found out is denied: the delivery then uses MLflow's API, which checks it."""
    monkeypatch.setitem(sys.modules, "mlflow.server.auth", module)
    assert is_granted(scope, "7") is granted
