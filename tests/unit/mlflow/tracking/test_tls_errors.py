"""Failures of TLS are named with what is to be changed, as MLflow's client meets them."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import requests

from otel_dspy.mlflow.tracking.requests.error_cause import error_cause, tls_failure_of
from otel_dspy.mlflow.tracking.requests.tls_errors import Remedy, TlsFailure, remedy_for_untrusted
from tests.integration.bridge.certificates import Authority
from tests.support.encrypted_server import answering
from tests.support.fixed_status_server import listening

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bridge.certificates import Signed


class Files:
    """Certificates of two authorities, and a text that is none."""

    def __init__(self, folder: Path) -> None:
        self.ours, self.other = Authority(folder, "ours"), Authority(folder, "other")
        self.server, self.client = self.ours.sign("server"), self.ours.sign("client")
        self.text = folder / "text"
        self.text.write_text("no certificate")
        self.missing = folder / "missing.pem"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """New ones."""
    return Files(tmp_path)


def failed(port: int, verify: object, cert: Any = None) -> tuple[Remedy, str]:
    """What is reported of a request that fails: the remedy and the cause."""
    with pytest.raises((requests.RequestException, OSError)) as raised:
        requests.get(f"https://127.0.0.1:{port}", verify=str(verify), cert=cert, timeout=60)
    failure = tls_failure_of(raised.value)
    assert failure is not None
    assert error_cause(raised.value, 300) == failure.cause
    return failure.remedy, failure.cause


def pair(signed: Signed) -> tuple[str, str]:
    """The files of a client's certificate and of its key."""
    return str(signed.certificate), str(signed.key)


def test_a_certificate_of_the_server_that_is_not_trusted(files: Files) -> None:
    """By its authority, its time and its host."""
    with answering(files.server) as port:
        assert failed(port, files.other.certificate)[0] is Remedy.AUTHORITY
    with answering(files.ours.sign("expired", expired=True)) as port:
        expired = "the server's certificate is not trusted: certificate has expired"
        assert failed(port, files.ours.certificate) == (Remedy.VALIDITY, expired)
    with answering(files.ours.sign("elsewhere", host="mlflow.example")) as port:
        assert failed(port, files.ours.certificate)[0] is Remedy.HOST


def test_files_of_authorities_that_are_none(files: Files) -> None:
    """The path of a missing one is named."""
    with answering(files.server) as port:
        remedy, cause = failed(port, files.missing)
        assert remedy is Remedy.AUTHORITY
        assert cause.endswith(f"invalid path: {files.missing}")
        assert failed(port, files.text) == (Remedy.AUTHORITY, "the file of trusted certificates contains none")


def test_client_certificates_that_cannot_be_read(files: Files) -> None:
    """No file, no key, the key of another one, and no certificate."""
    trusted = files.ours.certificate
    with answering(files.server, clients_of=files.ours) as port:
        for cert in (str(files.missing), (str(files.client.certificate), str(files.missing))):
            remedy, cause = failed(port, trusted, cert)
            assert remedy is Remedy.CLIENT
            assert cause.endswith(f"invalid path: {files.missing}")
        for cert in (
            str(files.client.certificate),
            (str(files.client.certificate), str(files.server.key)),
            str(files.text),
        ):
            lacks = "the file of the client's certificate lacks it or its key"
            assert failed(port, trusted, cert) == (Remedy.CLIENT, lacks)


def test_a_server_without_tls(files: Files) -> None:
    """It answers in plain text."""
    with listening(200) as port:
        assert failed(port, files.ours.certificate) == (Remedy.NO_TLS, "the server does not use TLS")


def test_a_server_that_ends_the_handshake() -> None:
    """As one that requires a client certificate. What arrives of its message depends on the system."""
    ended = requests.exceptions.SSLError(ssl.SSLEOFError(8, "EOF occurred in violation of protocol"))
    assert tls_failure_of(ended) == TlsFailure("the server has ended the TLS handshake", Remedy.HANDSHAKE)
    alert = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required")
    alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert tls_failure_of(alert) == TlsFailure(
        "the server has ended the TLS handshake (tlsv13 alert certificate required)", Remedy.HANDSHAKE
    )
    alert.reason = "UNEXPECTED_MESSAGE"
    assert tls_failure_of(alert) is None


def test_another_failure_is_none_of_tls() -> None:
    """As a port where nothing listens."""
    with listening(200) as port:
        pass
    with pytest.raises(requests.ConnectionError) as raised:
        requests.get(f"https://127.0.0.1:{port}", timeout=60)
    assert tls_failure_of(raised.value) is None


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("certificate has expired", Remedy.VALIDITY),
        ("certificate is not yet valid", Remedy.VALIDITY),
        ("Hostname mismatch, certificate is not valid for 'localhost'.", Remedy.HOST),
        ("IP address mismatch, certificate is not valid for '127.0.0.1'.", Remedy.HOST),
        ("Hostname Verification Check failed", Remedy.HOST),
        ("unable to get local issuer certificate", Remedy.AUTHORITY),
        ("self-signed certificate in certificate chain", Remedy.AUTHORITY),
    ],
)
def test_the_remedy_for_each_reason(reason: str, remedy: Remedy) -> None:
    """In the messages of OpenSSL and of gRPC."""
    assert remedy_for_untrusted(reason) is remedy
