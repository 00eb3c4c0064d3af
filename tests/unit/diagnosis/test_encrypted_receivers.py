"""The doctor sends a request to an OTLP endpoint with TLS as OpenTelemetry's exporter does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from otel_dspy.diagnosis.checks import exporters, otlp_requests
from otel_dspy.diagnosis.finding import Level
from tests.integration.bridge.certificates import Authority
from tests.support.encrypted_server import answering

if TYPE_CHECKING:
    from pathlib import Path

OF_ALL: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
OF_TRACES: Final = "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's; servers of this process are waited for, however busy it is."""
    for check in (exporters, otlp_requests):
        monkeypatch.setattr(check, "TIMEOUT", 60.0)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def problems(port: int, **environment: str) -> list[str]:
    """Problems of an exporter that sends traces to this port with TLS."""
    whole = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://127.0.0.1:{port}",
        **environment,
    }
    return [finding.text for finding in exporters.exporters(whole) if finding.level is Level.PROBLEM]


@pytest.mark.parametrize("variable", [OF_ALL, OF_TRACES])
def test_an_authority_that_the_exporter_trusts(variable: str, tmp_path: Path) -> None:
    """The variable of the signal has precedence, as in the exporter."""
    authority = Authority(tmp_path, "authority")
    other = Authority(tmp_path, "other")
    with answering(authority.sign("server")) as port:
        named = {OF_ALL: str(other.certificate), variable: str(authority.certificate)}
        assert problems(port, **named) == []


def test_an_unknown_authority(tmp_path: Path) -> None:
    """The finding names OpenTelemetry's variable."""
    with answering(Authority(tmp_path, "authority").sign("server")) as port:
        (text,) = problems(port)
    assert text.startswith(f"the certificate of https://127.0.0.1:{port}/v1/traces is not trusted (")
    assert text.endswith(f"): {OF_ALL} must name a file with the certificate of its authority")


def test_a_certificate_that_no_file_of_authorities_makes_valid(tmp_path: Path) -> None:
    """It has expired, or is for another host: the finding names that."""
    authority = Authority(tmp_path, "authority")
    trusted = {OF_ALL: str(authority.certificate)}
    with answering(authority.sign("expired", expired=True)) as port:
        assert problems(port, **trusted) == [
            (
                f"the certificate of https://127.0.0.1:{port}/v1/traces is not trusted (certificate has expired): renew "
                "it, or correct the clock of this machine"
            )
        ]
    with answering(authority.sign("elsewhere", host="otlp.example")) as port:
        (text,) = problems(port, **trusted)
    assert text.endswith("): OTEL_EXPORTER_OTLP_ENDPOINT must have a host name of the certificate")


def test_a_client_certificate_without_its_key(tmp_path: Path) -> None:
    """The finding names OpenTelemetry's variables; with the right key the receiver accepts it."""
    authority = Authority(tmp_path, "authority")
    client, other = authority.sign("client"), authority.sign("other")
    with answering(authority.sign("server"), clients_of=authority) as port:
        named = {OF_ALL: str(authority.certificate), "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(client.certificate)}
        (text,) = problems(port, **named, OTEL_EXPORTER_OTLP_CLIENT_KEY=str(other.key))
        assert problems(port, **named, OTEL_EXPORTER_OTLP_CLIENT_KEY=str(client.key)) == []
    assert text == (
        f"https://127.0.0.1:{port}/v1/traces accepts no connection by TLS (the file of the client's certificate lacks "
        "it or its key): if it requires a client certificate, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and "
        "OTEL_EXPORTER_OTLP_CLIENT_KEY must name the files of a valid one and its key"
    )


def test_a_file_of_certificates_that_does_not_exist(tmp_path: Path) -> None:
    """The finding names the path."""
    missing = str(tmp_path / "missing.pem")
    with answering(Authority(tmp_path, "authority").sign("server")) as port:
        (text,) = problems(port, **{OF_ALL: missing})
    assert text.startswith(f"https://127.0.0.1:{port}/v1/traces: the exporter cannot send a request")
    assert missing in text


def test_an_authority_of_the_environment_of_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter trusts it."""
    authority = Authority(tmp_path, "authority")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
    with answering(authority.sign("server")) as port:
        assert problems(port) == []
