"""Sending spool files to an OTLP endpoint whose TLS fails: the line names what is to be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy.cli import main
from otel_dspy.mlflow.delivery import spool_line
from otel_dspy.mlflow.spool_replay import replay_to_otlp
from tests.integration.bridge.certificates import Authority
from tests.support.encrypted_server import answering
from tests.support.fixed_status_server import listening
from tests.unit.mlflow.delivery.test_spool_line import ROUTE, SPAN

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's, and one attempt."""
    monkeypatch.setattr(replay_to_otlp, "TRIES", 1)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in VARIABLES:
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_TRACES_{name}", raising=False)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """One that is trusted."""
    trusted = Authority(tmp_path, "authority")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(trusted.certificate))
    return trusted


def reported(port: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is printed on a file that is not accepted and stays."""
    file = folder / "x-control-0001.jsonl"
    file.write_text(f"{spool_line.span_line(SPAN, ROUTE)}\n{spool_line.end_line()}\n")
    assert main(["replay", "--otlp", f"https://127.0.0.1:{port}", str(file)]) == 1
    assert file.exists()
    return capsys.readouterr().out.strip()


def test_a_certificate_that_is_not_trusted(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its time, its host and its authority."""
    with answering(authority.sign("expired", expired=True)) as port:
        assert reported(port, tmp_path, capsys).endswith(
            "the server's certificate is not trusted: certificate has expired: renew it, or correct the clock of this "
            "machine"
        )
    with answering(authority.sign("elsewhere", host="otlp.example")) as port:
        assert reported(port, tmp_path, capsys).endswith(": the address must have a host name of the certificate")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(Authority(tmp_path, "another").certificate))
    with answering(authority.sign("server")) as port:
        assert reported(port, tmp_path, capsys).endswith(
            ": OTEL_EXPORTER_OTLP_CERTIFICATE must name a file with the certificate of its authority"
        )


def test_a_client_certificate_without_its_key(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variables are named."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(authority.sign("client").certificate))
    with answering(authority.sign("server"), clients_of=authority) as port:
        assert reported(port, tmp_path, capsys).endswith(
            "the file of the client's certificate lacks it or its key: if it requires a client certificate, "
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY must name the files of a valid one "
            "and its key"
        )


@pytest.mark.usefixtures("authority")
def test_a_receiver_without_tls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The address is to be changed."""
    with listening(200) as port:
        found = reported(port, tmp_path, capsys)
    assert found.endswith("the server does not use TLS: the address must begin with http://")
