"""Flags, environment, defaults; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from otel_dspy import cli
from otel_dspy.bridge.configuration.setting_definitions import FLAGS
from otel_dspy.bridge.configuration.setting_error import BridgeSettingError
from otel_dspy.bridge.configuration.settings import resolve
from otel_dspy.environment.variable_names import of_bridge_flag
from tests.integration.bridge.certificates import Authority

MLFLOW = {"MLFLOW_TRACKING_URI": "sqlite:///m.db"}


def test_every_flag_has_a_variable_and_the_flag_wins() -> None:
    """A variable has the effect of its flag; given both, the flag counts."""
    texts = {
        "tracking_uri": "http://m", "experiment": "E", "experiment_by_service": "true", "http": "127.0.0.1:1",
        "grpc": "off", "max_request_bytes": "10", "max_waiting_bytes": "20", "patience": "1.5", "max_connections": "30",
        "allow_anonymous": "yes", "workspace": "team-a", "drain_timeout": "2.5", "queue": "/q", "max_queue_bytes": "40",
    }  # fmt: skip
    files = {"token_file", "tls_cert", "tls_key", "tls_client_ca"}
    assert {flag.replace("-", "_") for flag, *_ in FLAGS} == set(texts) | files
    environment = {of_bridge_flag(name): text for name, text in texts.items()}
    assert resolve({}, environment) == resolve(texts, {}) == resolve(texts, dict.fromkeys(environment, "nonsense"))
    assert str(resolve({}, environment)) == snapshot(
        "BridgeSettings(tracking_uri='http://m', experiment='E', experiment_by_service=True, workspace='team-a', http=Address(host='127.0.0.1', port=1), grpc=None, tls=None, allow_anonymous=True, max_request_bytes=10, max_waiting_bytes=20, max_connections=30, patience=1.5, queue=PosixPath('/q'), max_queue_bytes=40, drain_timeout=2.5)"
    )


def test_the_workspace_may_be_mlflows() -> None:
    """As MLFLOW_WORKSPACE names it, if nothing of the bridge's own does."""
    assert resolve({}, MLFLOW).workspace is None
    assert resolve({}, MLFLOW | {"MLFLOW_WORKSPACE": "team-b"}).workspace == "team-b"
    assert resolve({"workspace": "team-a"}, MLFLOW | {"MLFLOW_WORKSPACE": "team-b"}).workspace == "team-a"


def test_by_default_only_this_machine_is_listened_to() -> None:
    """Loopback, on OTLP's own ports."""
    found = resolve({}, MLFLOW)
    assert (str(found.http), str(found.grpc)) == ("127.0.0.1:4318", "127.0.0.1:4317")


def test_the_queue_has_a_folder_for_each_bridge_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named after its ports, beside the spool; `none` is without a queue."""
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert resolve({}, MLFLOW).queue == Path("/state/otel-dspy/bridge/4317-4318")
    assert resolve({"grpc": "off", "http": "127.0.0.1:1"}, MLFLOW).queue == Path("/state/otel-dspy/bridge/off-1")
    assert resolve({"queue": "none"}, MLFLOW).queue is None


@pytest.mark.parametrize("flag", ["http", "grpc"])
def test_other_addresses_need_authentication_or_a_flag(flag: str, tmp_path: Path) -> None:
    """Another address needs a token, client certificates or a plain word."""
    authority = Authority(tmp_path, "authority")
    own = authority.sign("bridge")
    (tmp_path / "token").write_text("geheim", encoding="utf-8")
    certificates = {"tls_cert": str(own.certificate), "tls_key": str(own.key)}
    for more in ({}, certificates):
        with pytest.raises(BridgeSettingError, match="is reachable from other machines"):
            resolve({flag: "0.0.0.0:1", **more}, MLFLOW)
    for more in (
        {"allow_anonymous": True},
        {"token_file": str(tmp_path / "token")},
        {**certificates, "tls_client_ca": str(authority.certificate)},
    ):
        assert resolve({flag: "0.0.0.0:1", **more}, MLFLOW)
    assert resolve({flag: "0.0.0.0:1"}, MLFLOW | {"OTEL_DSPY_BRIDGE_TOKEN": "geheim"}).token == "geheim"


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"http": "off", "grpc": "off"}, snapshot("no address to listen on: set --http or --grpc")),
        ({"http": "4318"}, snapshot("--http: '4318' is not HOST:PORT")),
        ({"http": "h:99999"}, snapshot("--http: 'h:99999' is not HOST:PORT")),
        ({"token_file": "missing"}, snapshot("--token-file: missing cannot be read: No such file or directory")),
        ({"tls_cert": "missing"}, snapshot("--tls-cert and --tls-key must be set together")),
        (
            {"tls_cert": "missing", "tls_key": "missing"},
            snapshot("--tls-cert: missing cannot be read: No such file or directory"),
        ),
        ({"tls_client_ca": "missing"}, snapshot("--tls-client-ca needs --tls-cert and --tls-key")),
        ({"patience": "0"}, snapshot("--patience: '0' is not a number of seconds above 0")),
        (
            {"drain_timeout": "1 fortnight"},
            snapshot(
                "--drain-timeout: '1 fortnight' is not a number of seconds; use a number, or a unit as in 500ms, 90s, 2m or 1h"
            ),
        ),
        (
            {"max_request_bytes": "many"},
            snapshot(
                "--max-request-bytes: 'many' is not a number of bytes; use a whole number, or a unit as in 512MB or 1GiB"
            ),
        ),
        (
            {"max_request_bytes": "0.5"},
            snapshot(
                "--max-request-bytes: '0.5' is not a number of bytes; use a whole number, or a unit as in 512MB or 1GiB"
            ),
        ),
        (
            {"max_request_bytes": "3GB"},
            snapshot("--max-request-bytes: '3GB' is not a whole number from 1 to 2147483647"),
        ),
        ({"max_connections": "1e12"}, snapshot("--max-connections: '1e12' is not a whole number from 1 to 2147483647")),
        (
            {"max_waiting_bytes": "nan"},
            snapshot(
                "--max-waiting-bytes: 'nan' is not a number of bytes; use a whole number, or a unit as in 512MB or 1GiB"
            ),
        ),
        (
            {"allow_anonymous": "perhaps"},
            snapshot("OTEL_DSPY_BRIDGE_ALLOW_ANONYMOUS: 'perhaps' is not a boolean: use true or false"),
        ),
    ],
)
def test_what_makes_no_sense_is_refused(chosen: dict[str, Any], message: str) -> None:
    """With the flag and what is wrong."""
    with pytest.raises(BridgeSettingError) as error:
        resolve(chosen, MLFLOW)
    assert str(error.value) == message


def test_files_that_are_of_no_use_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is no text, what is no certificate or key, and a key of another certificate: flag, file and reason."""
    monkeypatch.chdir(tmp_path)
    authority = Authority(Path(), "authority")
    authority.sign("own")
    authority.sign("other")
    Path("nonsense").write_bytes(b"\xff\xfe")
    messages: list[str] = []
    for chosen in (
        {"token_file": "nonsense"},
        {"tls_cert": "nonsense", "tls_key": "own-key.pem"},
        {"tls_cert": "own.pem", "tls_key": "nonsense"},
        {"tls_cert": "own.pem", "tls_key": "other-key.pem"},
        {"tls_cert": "own.pem", "tls_key": "missing"},
        {"tls_cert": "own.pem", "tls_key": "own-key.pem", "tls_client_ca": "own-key.pem"},
    ):
        with pytest.raises(BridgeSettingError) as error:
            resolve(chosen, MLFLOW)
        messages.append(str(error.value))
    assert messages == snapshot(
        [
            "--token-file: nonsense is not UTF-8 text",
            "--tls-cert: nonsense contains no PEM certificate",
            "--tls-key: nonsense contains no PEM key, or an encrypted one",
            "--tls-key: other-key.pem is not the key of own.pem",
            "--tls-key: missing cannot be read: No such file or directory",
            "--tls-client-ca: own-key.pem contains no PEM certificate",
        ]
    )


def test_the_command_reports_why_it_cannot_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1 and the reason; a token does not show."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert cli.main(["bridge"]) == 1
    assert capsys.readouterr().err == snapshot("no MLflow tracking URI: set --tracking-uri or MLFLOW_TRACKING_URI\n")
    assert cli.main(["bridge", "--print-collector-config"]) == 0  # the configuration does not contain it
    assert "endpoint: 127.0.0.1:4317" in capsys.readouterr().out
    assert "geheim" not in str(resolve({}, MLFLOW | {"OTEL_DSPY_BRIDGE_TOKEN": "geheim"}))
