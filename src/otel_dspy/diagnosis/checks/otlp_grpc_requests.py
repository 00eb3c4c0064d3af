"""Check of OTLP/gRPC endpoints by a request without spans, sent as OpenTelemetry's exporter does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.diagnosis.checks import otlp_rejections as rejections
from otel_dspy.diagnosis.checks.otlp_requests import TIMEOUT
from otel_dspy.diagnosis.checks.tls_ports import speaks_tls
from otel_dspy.diagnosis.finding import LONGEST_REASON
from otel_dspy.mlflow.tracking_uri import without_passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_dspy.diagnosis.checks.otlp_endpoints import OtlpEndpoint
    from otel_dspy.diagnosis.finding import Finding

_UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED: "
"""Before the reason, in messages of the TLS library that gRPC contains."""
_OTHER_HOST: Final = "Hostname Verification Check failed"
_CLOSED: Final = "Socket closed"
"""In messages of gRPC on a certificate of another host, and on a server that requires a client certificate."""
_LAST_ERROR: Final = "last error: "
"""Before the error of the last address, in messages of gRPC on connections that failed."""
_METHOD: Final = "/opentelemetry.proto.collector.{}.v1.{}Service/Export"
_SERVICES: Final = {"traces": "trace", "metrics": "metrics", "logs": "logs"}
_REJECTIONS: Final[Mapping[str, Callable[[OtlpEndpoint, str], Finding]]] = {
    "UNAUTHENTICATED": rejections.rejected_credentials,
    "PERMISSION_DENIED": rejections.rejected_credentials,
    "UNIMPLEMENTED": rejections.unsupported,
    "NOT_FOUND": rejections.unsupported,
    "RESOURCE_EXHAUSTED": rejections.busy,
}


def grpc_finding(endpoint: OtlpEndpoint) -> Finding | None:
    """Send an endpoint an empty OTLP request; return what prevents requests, or may, and None if nothing does."""
    import grpc as untyped  # noqa: PLC0415 - OpenTelemetry's exporter needs it; the package does not

    grpc: Any = cast("Any", untyped)
    if not all(value.isascii() and value.isprintable() for value in endpoint.headers.values()):
        return rejections.malformed_header(endpoint)
    try:
        channel = _channel(grpc, endpoint)
    except OSError as error:
        text = f"{endpoint.shown}: the exporter cannot read {error.filename}: {error.strerror}"
        return rejections.problem(text)
    service = _SERVICES[endpoint.signal]
    with channel:
        try:
            send = channel.unary_unary(_METHOD.format(service, service.capitalize()))
            send(b"", timeout=TIMEOUT, metadata=tuple(endpoint.headers.items()))
        except grpc.RpcError as error:
            return _rejected(endpoint, error)
    return None


def _channel(grpc: Any, endpoint: OtlpEndpoint) -> Any:  # noqa: ANN401 - grpc is untyped
    options = [("grpc.enable_retries", 0)]
    if not endpoint.encrypted:
        return grpc.insecure_channel(endpoint.address, options)
    files = endpoint.certificates
    contents = [Path(file).read_bytes() if file else None for file in (files.authority, files.key, files.client)]
    return grpc.secure_channel(endpoint.address, grpc.ssl_channel_credentials(*contents), options)


def _rejected(endpoint: OtlpEndpoint, error: Any) -> Finding:  # noqa: ANN401 - grpc is untyped
    code = str(error.code().name)
    status = f"status {code}"
    if code in _REJECTIONS:
        return _REJECTIONS[code](endpoint, status)
    if code not in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}:
        return rejections.inconclusive(endpoint, status)
    _, connecting, details = str(error.details() or "").partition(_LAST_ERROR)
    if code == "UNAVAILABLE" and not connecting:
        return rejections.busy(endpoint, status)
    return _not_connected(endpoint, details)


def _not_connected(endpoint: OtlpEndpoint, details: str) -> Finding:
    """Return the finding for a connection that failed; `details` is "" where there was no answer."""
    _, untrusted, reason = details.partition(_UNTRUSTED)
    if untrusted:
        return rejections.untrusted_certificate(endpoint, reason.removesuffix(": OK"))
    if _OTHER_HOST in details:
        return rejections.untrusted_certificate(endpoint, _OTHER_HOST)
    encrypted = speaks_tls(endpoint, TIMEOUT)
    if details or encrypted:
        mismatch = rejections.encryption_mismatch(endpoint, encrypted=encrypted)
        if mismatch is not None:
            return mismatch
    if encrypted and details.endswith(_CLOSED):
        return rejections.client_certificate(endpoint, "the server has closed the connection")
    if not details:
        return rejections.no_answer(endpoint, TIMEOUT)
    return rejections.no_receiver(endpoint, f"does not answer: {without_passwords(details)[:LONGEST_REASON]}")
