"""Doctor: certificates of an OTLP/gRPC receiver and of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from otel_dspy.diagnosis.checks import exporters, otlp_grpc_requests
from tests.integration.bridge.certificates import Authority
from tests.support.grpc_receiver import receiver

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
CERTIFICATE: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
CLIENT: Final = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
CLIENT_KEY: Final = "OTEL_EXPORTER_OTLP_CLIENT_KEY"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of this process are waited for, however busy it is."""
    for check in (exporters, otlp_grpc_requests):
        monkeypatch.setattr(check, "TIMEOUT", 60.0)
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY", "GRPC_PROXY"):
        monkeypatch.delenv(name, raising=False)


def found(port: int, **environment: str) -> tuple[str, str]:
    """Level and text of the finding for an exporter of traces by gRPC and TLS."""
    whole = {"OTEL_TRACES_EXPORTER": "otlp", ENDPOINT: f"https://127.0.0.1:{port}", **environment}
    (finding,) = exporters.exporters(whole)
    return finding.level.value, finding.text


def test_a_certificate_that_no_file_of_authorities_makes_valid(tmp_path: Path) -> None:
    """It has expired, or is for another host: the finding names that."""
    authority = Authority(tmp_path, "authority")
    trusted = {CERTIFICATE: str(authority.certificate)}
    with receiver(authority.sign("expired", expired=True)) as port:
        assert found(port, **trusted) == (
            "problem",
            (
                f"the certificate of 127.0.0.1:{port} is not trusted (certificate has expired): renew it, or correct "
                "the clock of this machine"
            ),
        )
    with receiver(authority.sign("elsewhere", host="otlp.example")) as port:
        assert found(port, **trusted) == (
            "problem",
            (
                f"the certificate of 127.0.0.1:{port} is not trusted (Hostname Verification Check failed): {ENDPOINT} "
                "must have a host name of the certificate"
            ),
        )


def test_a_server_that_requires_a_client_certificate(tmp_path: Path) -> None:
    """GRPC's own error is that the socket was closed."""
    authority = Authority(tmp_path, "authority")
    client = authority.sign("client")
    trusted = {CERTIFICATE: str(authority.certificate)}
    named = {CLIENT: str(client.certificate), CLIENT_KEY: str(client.key)}
    with receiver(authority.sign("server"), clients_of=authority) as port:
        assert found(port, **trusted, **named) == ("ok", f"traces (grpc) to 127.0.0.1:{port}: accepts connections")
        level, text = found(port, **trusted)
    assert level == "problem"
    assert text.endswith(
        f": if it requires a client certificate, {CLIENT} and {CLIENT_KEY} must name the files of a valid one and its key"
    )
