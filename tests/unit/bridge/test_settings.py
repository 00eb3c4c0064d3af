"""Flags, environment, defaults; and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot

from otel_dspy import cli
from otel_dspy.bridge.settings import FLAGS, BridgeSettingError, resolve, variable

if TYPE_CHECKING:
    from pathlib import Path

MLFLOW = {"MLFLOW_TRACKING_URI": "sqlite:///m.db"}


def test_every_flag_has_a_variable_and_the_flag_wins() -> None:
    """What the environment says is what the flag would; given both, the flag counts."""
    texts = {
        "tracking_uri": "http://m", "experiment": "E", "experiment_by_service": "true", "http": "127.0.0.1:1",
        "grpc": "off", "max_request_bytes": "10", "max_waiting_bytes": "20", "patience": "1.5", "max_connections": "30",
        "allow_anonymous": "yes",
    }  # fmt: skip
    files = {"token_file", "tls_cert", "tls_key", "tls_client_ca"}
    assert {flag.replace("-", "_") for flag, *_ in FLAGS} == set(texts) | files
    environment = {variable(name): text for name, text in texts.items()}
    assert resolve({}, environment) == resolve(texts, {}) == resolve(texts, dict.fromkeys(environment, "nonsense"))
    assert str(resolve({}, environment)) == snapshot(
        "BridgeSettings(tracking_uri='http://m', experiment='E', experiment_by_service=True, http=Address(host='127.0.0.1', port=1), grpc=None, tls=None, allow_anonymous=True, max_request_bytes=10, max_waiting_bytes=20, max_connections=30, patience=1.5)"
    )


def test_by_default_only_this_machine_is_listened_to() -> None:
    """Loopback, on OTLP's own ports."""
    found = resolve({}, MLFLOW)
    assert (str(found.http), str(found.grpc)) == ("127.0.0.1:4318", "127.0.0.1:4317")


@pytest.mark.parametrize("flag", ["http", "grpc"])
def test_others_are_listened_to_with_auth_or_when_told(flag: str, tmp_path: Path) -> None:
    """Another address needs a token, client certificates or a plain word."""
    for name in ("cert", "key", "ca"):
        (tmp_path / name).write_text("pem", encoding="utf-8")
    certificates = {"tls_cert": str(tmp_path / "cert"), "tls_key": str(tmp_path / "key")}
    for more in ({}, certificates):
        with pytest.raises(BridgeSettingError, match="can be reached by others"):
            resolve({flag: "0.0.0.0:1", **more}, MLFLOW)
    for more in (
        {"allow_anonymous": True},
        {"token_file": str(tmp_path / "key")},
        {**certificates, "tls_client_ca": str(tmp_path / "ca")},
    ):
        assert resolve({flag: "0.0.0.0:1", **more}, MLFLOW)
    assert resolve({flag: "0.0.0.0:1"}, MLFLOW | {"OTEL_DSPY_BRIDGE_TOKEN": "geheim"}).token == "geheim"


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"http": "off", "grpc": "off"}, snapshot("there is nothing to listen on: give --http or --grpc")),
        ({"http": "4318"}, snapshot("--http: '4318' is not HOST:PORT")),
        ({"http": "h:99999"}, snapshot("--http: 'h:99999' is not HOST:PORT")),
        ({"token_file": "missing"}, snapshot("--token-file: missing cannot be read: No such file or directory")),
        ({"tls_cert": "missing"}, snapshot("--tls-cert and --tls-key go together")),
        ({"tls_cert": "missing", "tls_key": "missing"}, snapshot("there is no file missing")),
        ({"tls_client_ca": "missing"}, snapshot("--tls-client-ca needs --tls-cert and --tls-key")),
        ({"patience": "0"}, snapshot("--patience: '0' is no number above 0")),
        ({"max_request_bytes": "many"}, snapshot("--max-request-bytes: 'many' is no number above 0")),
        (
            {"allow_anonymous": "perhaps"},
            snapshot("OTEL_DSPY_BRIDGE_ALLOW_ANONYMOUS: 'perhaps' is neither true nor false"),
        ),
    ],
)
def test_what_makes_no_sense_is_refused(chosen: dict[str, Any], said: str) -> None:
    """With the flag and what is wrong."""
    with pytest.raises(BridgeSettingError) as error:
        resolve(chosen, MLFLOW)
    assert str(error.value) == said


def test_the_command_says_why_it_cannot_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1 and the reason; a token does not show."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert cli.main(["bridge"]) == 1
    assert capsys.readouterr().err == snapshot("say where MLflow is: --tracking-uri URI or MLFLOW_TRACKING_URI\n")
    assert "geheim" not in str(resolve({}, MLFLOW | {"OTEL_DSPY_BRIDGE_TOKEN": "geheim"}))
