"""The doctor sends a request to an OTLP/gRPC endpoint as OpenTelemetry's exporter does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from otel_dspy.diagnosis.checks import exporters, otlp_grpc_requests
from tests.integration.bridge.certificates import Authority
from tests.support.encrypted_server import answering
from tests.support.grpc_receiver import receiver
from tests.support.silent_server import silent_server

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"
CERTIFICATE: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
INSECURE: Final = "OTEL_EXPORTER_OTLP_INSECURE"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of this process are waited for, however busy it is."""
    for check in (exporters, otlp_grpc_requests):
        monkeypatch.setattr(check, "TIMEOUT", 60.0)
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY", "GRPC_PROXY"):
        monkeypatch.delenv(name, raising=False)


def found(endpoint: str, **environment: str) -> list[tuple[str, str]]:
    """Level and text of the findings for an exporter of traces by gRPC."""
    whole = {"OTEL_TRACES_EXPORTER": "otlp", ENDPOINT: endpoint, **environment}
    return [(finding.level.value, finding.text) for finding in exporters.exporters(whole)]


def problem(text: str) -> tuple[str, str]:
    """A finding that is one."""
    return "problem", text


def accepted(port: int) -> list[tuple[str, str]]:
    """What is found where nothing is wrong."""
    return [("ok", f"traces (grpc) to 127.0.0.1:{port}: accepts connections")]


def test_without_tls() -> None:
    """The request is that of the signal, with the headers."""
    methods: list[str] = []
    with receiver(methods=methods) as port:
        for insecure in ({}, {INSECURE: "false"}, {INSECURE: "true"}):
            endpoint = f"127.0.0.1:{port}" if INSECURE in insecure else f"http://127.0.0.1:{port}"
            answer = found(endpoint, **{HEADERS: "api-key=geheim", **insecure})
            if insecure.get(INSECURE) == "false":
                assert answer == [
                    problem(
                        f"127.0.0.1:{port} does not use TLS: {ENDPOINT} must begin with http://, and {INSECURE} must "
                        "not be false"
                    )
                ]
            else:
                assert answer == accepted(port)
    assert methods == ["/opentelemetry.proto.collector.trace.v1.TraceService/Export", "geheim"] * 2


def test_each_signal_has_a_method() -> None:
    """Metrics and logs go to services of their own."""
    methods: list[str] = []
    with receiver(methods=methods) as port:
        findings = found(f"http://127.0.0.1:{port}", OTEL_METRICS_EXPORTER="otlp", OTEL_LOGS_EXPORTER="otlp")
    assert findings == [("ok", f"traces (grpc), metrics (grpc), logs (grpc) to 127.0.0.1:{port}: accepts connections")]
    assert [method.partition("collector.")[2] for method in methods] == [
        "trace.v1.TraceService/Export",
        "metrics.v1.MetricsService/Export",
        "logs.v1.LogsService/Export",
    ]


def test_an_authority_that_the_exporter_trusts(tmp_path: Path) -> None:
    """An address without a scheme means TLS, too."""
    authority = Authority(tmp_path, "authority")
    with receiver(authority.sign("server")) as port:
        for endpoint in (f"https://127.0.0.1:{port}", f"127.0.0.1:{port}"):
            assert found(endpoint, **{CERTIFICATE: str(authority.certificate)}) == accepted(port)


def test_an_unknown_authority(tmp_path: Path) -> None:
    """The finding names OpenTelemetry's variable; an authority's file of another one does not help."""
    other = Authority(tmp_path, "other")
    with receiver(Authority(tmp_path, "authority").sign("server")) as port:
        for trusted in ({}, {CERTIFICATE: str(other.certificate)}):
            ((level, text),) = found(f"https://127.0.0.1:{port}", **trusted)
            assert level == "problem"
            assert text.startswith(f"the certificate of 127.0.0.1:{port} is not trusted (")
            assert text.endswith(f"): {CERTIFICATE} must name a file with the certificate of its authority")


def test_a_file_of_certificates_that_does_not_exist(tmp_path: Path) -> None:
    """The finding names the path."""
    missing = str(tmp_path / "missing.pem")
    with receiver(Authority(tmp_path, "authority").sign("server")) as port:
        assert found(f"https://127.0.0.1:{port}", **{CERTIFICATE: missing}) == [
            ("problem", f"127.0.0.1:{port}: the exporter cannot read {missing}: No such file or directory")
        ]


def test_sent_with_tls_to_a_port_without() -> None:
    """An address without a scheme means TLS, which is not to be seen in it."""
    with receiver() as port:
        for endpoint in (f"https://127.0.0.1:{port}", f"127.0.0.1:{port}"):
            assert found(endpoint) == [
                ("problem", f"127.0.0.1:{port} does not use TLS: {ENDPOINT} must begin with http://")
            ]


def test_sent_without_tls_to_a_port_with_it(tmp_path: Path) -> None:
    """GRPC's own error is that the socket was closed."""
    with receiver(Authority(tmp_path, "authority").sign("server")) as port:
        assert found(f"http://127.0.0.1:{port}") == [
            ("problem", f"127.0.0.1:{port} requires TLS: {ENDPOINT} must begin with https://")
        ]
        assert found(f"127.0.0.1:{port}", **{INSECURE: "true"}) == [
            (
                "problem",
                f"127.0.0.1:{port} requires TLS: {ENDPOINT} must begin with https://, and {INSECURE} must not be true",
            )
        ]


@pytest.mark.parametrize(
    ("code", "level", "text"),
    [
        (
            "UNAUTHENTICATED",
            "problem",
            f"rejects the credentials in {HEADERS} (status UNAUTHENTICATED): set valid ones",
        ),
        (
            "PERMISSION_DENIED",
            "problem",
            f"rejects the credentials in {HEADERS} (status PERMISSION_DENIED): set valid ones",
        ),
        (
            "UNIMPLEMENTED",
            "problem",
            (
                f"accepts no OTLP there (status UNIMPLEMENTED): {ENDPOINT} must be the address of a receiver of traces by "
                "OTLP/gRPC (usually port 4317)"
            ),
        ),
        (
            "UNAVAILABLE",
            "warning",
            "is busy (status UNAVAILABLE): what it does not accept within the exporter's timeout is dropped",
        ),
        (
            "RESOURCE_EXHAUSTED",
            "warning",
            "is busy (status RESOURCE_EXHAUSTED): what it does not accept within the exporter's timeout is dropped",
        ),
        (
            "INVALID_ARGUMENT",
            "note",
            "rejects a request without data (status INVALID_ARGUMENT), and may accept others",
        ),
    ],
)
def test_other_answers(code: str, level: str, text: str) -> None:
    """Each with what to do, and without a header's value."""
    with receiver(code=code) as port:
        assert found(f"http://127.0.0.1:{port}", **{HEADERS: "api-key=geheim"}) == [(level, f"127.0.0.1:{port} {text}")]


def test_the_port_of_another_protocol() -> None:
    """An HTTP server: gRPC's error, and which address is wanted."""
    with answering(None) as port:
        ((level, text),) = found(f"http://127.0.0.1:{port}")
    assert level == "problem"
    assert text.startswith(f"127.0.0.1:{port} does not answer: ")
    assert text.endswith(f": {ENDPOINT} must be the address of a receiver of traces by OTLP/gRPC (usually port 4317)")


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be slow: a warning."""
    monkeypatch.setattr(otlp_grpc_requests, "TIMEOUT", 0.2)
    with silent_server() as server:
        place = server.address.partition("://")[2]
        assert found(server.address) == [("warning", f"{place} does not answer within 0 s")]


def test_a_header_that_cannot_be_sent() -> None:
    """GRPC's headers are ASCII; the finding has none of it."""
    with receiver() as port:
        assert found(f"http://127.0.0.1:{port}", **{HEADERS: "api-key=geheim%E2%82%AC"}) == [
            ("problem", f"127.0.0.1:{port}: the exporter cannot send a header: correct {HEADERS}")
        ]
