"""Findings on OTLP endpoints that do not accept a request, with the variable to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.diagnosis.checks.otlp_endpoints import USUAL_PORTS
from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.mlflow.tracking.requests.tls_errors import Remedy, remedy_for_untrusted

if TYPE_CHECKING:
    from otel_dspy.diagnosis.checks.otlp_endpoints import OtlpEndpoint

_AUTHORITY: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
_CLIENT: Final = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
_CLIENT_KEY: Final = "OTEL_EXPORTER_OTLP_CLIENT_KEY"
_HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"


def rejected_credentials(endpoint: OtlpEndpoint, status: str) -> Finding:
    """Return a finding for a receiver that requires credentials, or rejects those that it got."""
    if endpoint.has_provider:
        text = f"{endpoint.shown} requires credentials ({status}), which a credential provider adds: not checked"
        return Finding("exporter", Level.NOTE, text)
    sent_in = [endpoint.headers_variable] if endpoint.headers_variable else []
    if endpoint.credentials is not None:
        sent_in.append(endpoint.variable)
    if sent_in:
        text = f"rejects the credentials in {' and '.join(sent_in)} ({status}): set valid ones"
    else:
        text = (
            f"requires credentials ({status}): set {_HEADERS} to the header that the receiver requires, as NAME=VALUE"
        )
    return Finding("exporter", Level.PROBLEM, f"{endpoint.shown} {text}")


def no_receiver(endpoint: OtlpEndpoint, behavior: str) -> Finding:
    """Return a finding for something that is not a receiver of this signal and protocol.

    Args:
        endpoint: the endpoint.
        behavior: what it does instead, after its address.
    """
    variable, end = endpoint.variable, f"/v1/{endpoint.signal}"
    path = endpoint.path.partition("?")[0]
    if endpoint.protocol == "grpc":
        remedy = _right_protocol(endpoint)
    elif path.endswith(f"{end}{end}"):
        remedy = f"remove {end} from {variable}, to which the exporter appends it"
    elif not path.endswith(end):
        remedy = f"append {end} to {variable}, which the exporter uses as it is"
    elif path == end:
        remedy = _right_protocol(endpoint)
    else:
        remedy = f"correct the path in {variable}"
    return problem(f"{endpoint.shown} {behavior}: {remedy}")


def _right_protocol(endpoint: OtlpEndpoint) -> str:
    name = "OTLP/gRPC" if endpoint.protocol == "grpc" else "OTLP/HTTP"
    return (
        f"{endpoint.variable} must be the address of a receiver of {endpoint.signal} by {name} "
        f"(usually port {USUAL_PORTS[endpoint.protocol]})"
    )


def encryption_mismatch(endpoint: OtlpEndpoint, *, encrypted: bool) -> Finding | None:
    """Return a finding where the exporter sends with TLS and the receiver has none, or the other way round.

    Args:
        endpoint: the endpoint.
        encrypted: whether the receiver uses TLS.
    """
    if encrypted == endpoint.encrypted:
        return None
    does, scheme, value = ("requires", "https", "true") if encrypted else ("does not use", "http", "false")
    switch = endpoint.insecure_variable
    also = f", and {switch} must not be {value}" if switch else ""
    return problem(f"{endpoint.shown} {does} TLS: {endpoint.variable} must begin with {scheme}://{also}")


def untrusted_certificate(endpoint: OtlpEndpoint, reason: str) -> Finding:
    """Return a finding for a receiver whose certificate the exporter does not trust."""
    remedies = {
        Remedy.VALIDITY: "renew it, or correct the clock of this machine",
        Remedy.HOST: f"{endpoint.variable} must have a host name of the certificate",
    }
    remedy = remedies.get(
        remedy_for_untrusted(reason), f"{_AUTHORITY} must name a file with the certificate of its authority"
    )
    return problem(f"the certificate of {endpoint.shown} is not trusted ({reason.removesuffix('.')}): {remedy}")


def client_certificate(endpoint: OtlpEndpoint, cause: str) -> Finding:
    """Return a finding for a receiver that uses TLS and may require a client certificate, or another one.

    Args:
        endpoint: the endpoint.
        cause: why the connection failed.
    """
    return problem(
        f"{endpoint.shown} accepts no connection by TLS ({cause}): if it requires a client certificate, {_CLIENT} and "
        f"{_CLIENT_KEY} must name the files of a valid one and its key"
    )


def malformed_header(endpoint: OtlpEndpoint) -> Finding:
    """Return a finding for a header that no request can have. Messages of the clients may have its value."""
    return problem(f"{endpoint.shown}: the exporter cannot send a header: correct {endpoint.headers_variable}")


def no_answer(endpoint: OtlpEndpoint, timeout: float) -> Finding:
    """Return a finding for a receiver that did not answer in time."""
    return Finding("exporter", Level.WARNING, f"{endpoint.shown} does not answer within {timeout:.0f} s")


def unsupported(endpoint: OtlpEndpoint, status: str) -> Finding:
    """Return a finding for an address where a server has no receiver."""
    return no_receiver(endpoint, f"accepts no OTLP there ({status})")


def unsupported_encoding(endpoint: OtlpEndpoint, status: str) -> Finding:
    """Return a finding for an address that takes other content types."""
    return no_receiver(endpoint, f"accepts no OTLP in protobuf ({status})")


def proxy_credentials(endpoint: OtlpEndpoint, status: str) -> Finding:
    """Return a finding for a proxy that requires credentials."""
    variable = "HTTPS_PROXY" if endpoint.encrypted else "HTTP_PROXY"
    return problem(f"the proxy before {endpoint.shown} requires credentials ({status}): set them in {variable}")


def failing(endpoint: OtlpEndpoint, status: str) -> Finding:
    """Return a finding for a receiver that fails."""
    return problem(f"{endpoint.shown} fails ({status}): see the receiver's log")


def busy(endpoint: OtlpEndpoint, status: str) -> Finding:
    """Return a finding for a receiver that accepts nothing at present."""
    text = f"{endpoint.shown} is busy ({status}): what it does not accept within the exporter's timeout is dropped"
    return Finding("exporter", Level.WARNING, text)


def inconclusive(endpoint: OtlpEndpoint, status: str) -> Finding:
    """Return a finding for a receiver that rejects a request without data, and may accept others."""
    text = f"{endpoint.shown} rejects a request without data ({status}), and may accept others"
    return Finding("exporter", Level.NOTE, text)


def server_app(endpoint: OtlpEndpoint, header: str) -> Finding:
    """Return a finding for MLflow's server with the app otel-dspy and no experiment in the exporter's headers."""
    text = (
        f"{endpoint.shown} is MLflow's, with the app otel-dspy: it accepts requests with spans of otel-dspy, and "
        f"others only with {header}"
    )
    return Finding("exporter", Level.NOTE, text)


def problem(text: str) -> Finding:
    """Return a finding for what prevents all requests."""
    return Finding("exporter", Level.PROBLEM, text)
