"""Server options that the app does not support end its worker with a message."""

from __future__ import annotations

import pytest

from otel_dspy.mlflow_server_app import requirements
from otel_dspy.mlflow_server_app.requirements import check_command, check_installed, check_options
from otel_dspy.mlflow_server_app.unsupported_error import UnsupportedServerError


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"_MLFLOW_SGI_NAME": "uvicorn"},
        {"MLFLOW_AUTH_CONFIG_PATH": ""},
        {"MLFLOW_AUTH_CONFIG_PATH": "auth.ini", "OTEL_DSPY_SERVER_APP_BASE": "basic-auth"},
    ],
)
def test_uvicorn_is_supported(environment: dict[str, str]) -> None:
    """MLflow's default; with authentication where it is chosen."""
    check_options(environment)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"_MLFLOW_SGI_NAME": "gunicorn"},
            "--app-name otel-dspy needs uvicorn, MLflow's default: gunicorn serves no OTLP. Omit --gunicorn-opts.",
        ),
        (
            {"MLFLOW_AUTH_CONFIG_PATH": "auth.ini"},
            (
                "MLFLOW_AUTH_CONFIG_PATH is set, but --app-name otel-dspy has no authentication of its own. Set "
                "OTEL_DSPY_SERVER_APP_BASE=basic-auth, or unset MLFLOW_AUTH_CONFIG_PATH."
            ),
        ),
        (
            {"MLFLOW_AUTH_CONFIG_PATH": "auth.ini", "OTEL_DSPY_SERVER_APP_BASE": "oidc"},
            "OTEL_DSPY_SERVER_APP_BASE=oidc: only basic-auth can be extended. Unset it or use that.",
        ),
    ],
)
def test_other_options_are_rejected(environment: dict[str, str], message: str) -> None:
    """The message names what to do."""
    with pytest.raises(UnsupportedServerError) as raised:
        check_options(environment)
    assert raised.value.message == message


@pytest.mark.parametrize("argument", ["basic-auth", "--app-name=basic-auth"])
def test_a_command_with_authentication_is_rejected(argument: str) -> None:
    """`mlflow server` would run one of the two apps, and the server might have no authentication."""
    with pytest.raises(UnsupportedServerError, match="cannot be combined with --app-name basic-auth"):
        check_command(["mlflow", "server", "--app-name", argument, "--app-name", "otel-dspy"])
    check_command(["mlflow", "server", "--app-name", "otel-dspy"])


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs them."""
    monkeypatch.setattr(requirements, "NEEDED", ("starlette", "not_there.at_all"))
    with pytest.raises(UnsupportedServerError) as raised:
        check_installed()
    assert raised.value.message == "not_there.at_all not installed: pip install 'otel-dspy[bridge]'"
