"""The doctor asks an MLflow behind a proxy, with TLS or a password of its own, as MLflow's client does."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from otel_dspy.cli import main
from otel_dspy.diagnosis.checks import mlflow_store
from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.mlflow.tracking.requests import http_policy
from otel_dspy.mlflow.tracking.requests.outage_log import OutageLog
from otel_dspy.runtime.fork_gate import ForkGate
from tests.integration.bridge.certificates import Authority
from tests.support.encrypted_server import answering

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.integration.bridge.certificates import Signed

TLS_VARIABLES: Final = (
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
CREDENTIALS: Final = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
PASSWORD: Final = "geheim"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's; servers of this process are waited for, however busy it is."""
    monkeypatch.setattr(mlflow_store, "TIMEOUT", 60.0)
    for name in (*TLS_VARIABLES, *CREDENTIALS):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def mlflow_behind_tls(signed: Signed, clients_of: Authority | None = None) -> Generator[str]:
    """A server with this certificate whose every answer is an empty object; its address.

    With `clients_of`, it requires a client certificate of that authority.
    """
    with answering(signed, clients_of=clients_of) as port:
        yield f"https://127.0.0.1:{port}"


@contextmanager
def mlflow_behind_a_password() -> Generator[str]:
    """A server that asks for the password at each path, as a proxy before MLflow does; its address."""
    with answering(None, f"Basic {base64.b64encode(f'user:{PASSWORD}'.encode()).decode()}") as port:
        yield f"http://127.0.0.1:{port}"


def finding(uri: str) -> tuple[Level, str]:
    """The only finding on an MLflow: level and text."""
    (found,) = mlflow_store.mlflow_store({"MLFLOW_TRACKING_URI": uri})
    assert isinstance(found, Finding)
    return found.level, found.text


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE"])
def test_an_authority_that_mlflows_client_trusts(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is reachable, as for the delivery."""
    authority = Authority(tmp_path, "authority")
    monkeypatch.setenv(variable, str(authority.certificate))
    with mlflow_behind_tls(authority.sign("server")) as uri:
        assert finding(uri) == (Level.OK, f"{uri} is reachable")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_certificate_that_is_not_to_be_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's own switch counts."""
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    with mlflow_behind_tls(Authority(tmp_path, "authority").sign("server")) as uri:
        assert finding(uri) == (Level.OK, f"{uri} is reachable")


def test_an_unknown_authority(tmp_path: Path) -> None:
    """The finding names MLflow's variable."""
    with mlflow_behind_tls(Authority(tmp_path, "authority").sign("server")) as uri:
        level, text = finding(uri)
    assert level is Level.PROBLEM
    assert text.startswith(f"MLflow's client does not trust the certificate of {uri} (")
    assert text.endswith("): MLFLOW_TRACKING_SERVER_CERT_PATH must name a file with the certificate of its authority")


@pytest.mark.parametrize("authority_of_the_system", [False, True])
def test_a_server_that_requires_a_client_certificate(
    authority_of_the_system: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MLflow's client has it, and its answer counts."""
    authority = Authority(tmp_path, "authority")
    client = authority.sign("client")
    both = tmp_path / "both.pem"
    both.write_bytes(client.certificate.read_bytes() + client.key.read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(authority.certificate))
    if authority_of_the_system:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with mlflow_behind_tls(authority.sign("server"), authority) as uri:
        level, text = finding(uri)
        assert level is Level.PROBLEM
        assert "a client certificate, set MLFLOW_TRACKING_CLIENT_CERT_PATH to a file with" in text
        assert "self-signed" not in text
        monkeypatch.setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", str(client.certificate))
        level, text = finding(uri)
        assert level is Level.PROBLEM
        assert text == (
            f"MLflow's client cannot use TLS with {uri} (the file of the client's certificate lacks it or its key): "
            "set MLFLOW_TRACKING_CLIENT_CERT_PATH to a file with the client's certificate and its key"
        )
        monkeypatch.setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", str(both))
        assert finding(uri) == (Level.OK, f"{uri} is reachable")


def test_a_certificate_that_no_file_of_authorities_makes_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has expired, or is for another host: the finding names that."""
    authority = Authority(tmp_path, "authority")
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(authority.certificate))
    with mlflow_behind_tls(authority.sign("expired", expired=True)) as uri:
        assert finding(uri) == (
            Level.PROBLEM,
            (
                f"MLflow's client does not trust the certificate of {uri} (certificate has expired): renew the server's "
                "certificate, or correct the clock of this machine"
            ),
        )
    with mlflow_behind_tls(authority.sign("elsewhere", host="mlflow.example")) as uri:
        level, text = finding(uri)
    assert level is Level.PROBLEM
    assert text.endswith(
        ": set the tracking URI to a host name of the certificate, or give the server one for this name"
    )


def test_an_authority_that_mlflows_client_alone_does_not_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority is among the system's, which the client of MLflow does not read."""
    authority = Authority(tmp_path, "authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with mlflow_behind_tls(authority.sign("server")) as uri:
        level, text = finding(uri)
    assert level is Level.PROBLEM
    assert text.startswith(f"MLflow's client does not trust the certificate of {uri} (")


def test_a_file_of_certificates_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding names the path."""
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(tmp_path / "missing.pem"))
    with mlflow_behind_tls(Authority(tmp_path, "authority").sign("server")) as uri:
        level, text = finding(uri)
    assert level is Level.PROBLEM
    assert str(tmp_path / "missing.pem") in text


def test_a_proxy_that_lets_nobody_ask_for_the_health(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the password it is reachable; without it, the credentials are rejected."""
    with mlflow_behind_a_password() as uri:
        level, text = finding(uri)
        assert level is Level.PROBLEM
        assert text.startswith(f"{uri} rejects the credentials (status 401): set valid MLFLOW_TRACKING_USERNAME")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "user")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        assert finding(uri) == (Level.OK, f"{uri} is reachable")


def test_the_log_of_an_unknown_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The delivery names MLflow's variable too, instead of an MLflow that is to be started."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    with mlflow_behind_tls(Authority(tmp_path, "authority").sign("server")) as uri:
        client: Any = MlflowClient(uri)
        with http_policy.no_retries(0), pytest.raises(MlflowException) as raised:
            client.search_experiments(max_results=1)
    OutageLog(uri, ForkGate(), spooled=True).failed(raised.value)
    before = f"MLflow at {uri} is unavailable; retrying with back-off (the server's certificate is not trusted: "
    assert caplog.messages[-1].startswith(before)
    assert caplog.messages[-1].endswith(
        "). No data is lost. Set MLFLOW_TRACKING_SERVER_CERT_PATH to a file with the certificate of its authority."
    )


def test_the_log_of_an_expired_certificate(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither the delivery nor a command asks for another authority."""
    authority = Authority(tmp_path, "authority")
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(authority.certificate))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    with mlflow_behind_tls(authority.sign("expired", expired=True)) as uri:
        client: Any = MlflowClient(uri)
        with http_policy.no_retries(0), pytest.raises(MlflowException) as raised:
            client.search_experiments(max_results=1)
        assert main(["report", "--tracking-uri", uri]) == 1
    OutageLog(uri, ForkGate(), spooled=True).failed(raised.value)
    for line in (caplog.messages[-1], capsys.readouterr().err):
        assert "the server's certificate is not trusted: certificate has expired" in line
        assert "Renew the server's certificate, or correct the clock of this machine." in line
        assert "MLFLOW_TRACKING_SERVER_CERT_PATH" not in line


def test_a_command_that_reads_from_an_unknown_authority(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So do the commands."""
    with mlflow_behind_tls(Authority(tmp_path, "authority").sign("server")) as uri:
        assert main(["report", "--tracking-uri", uri]) == 1
    line = capsys.readouterr().err
    assert line.startswith(f"MLflow at {uri} could not be read: the server's certificate is not trusted: ")
    assert line.endswith(". Set MLFLOW_TRACKING_SERVER_CERT_PATH to a file with the certificate of its authority.\n")
