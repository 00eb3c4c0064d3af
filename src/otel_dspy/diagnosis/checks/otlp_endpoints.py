"""OTLP endpoints of the environment, read as OpenTelemetry's exporters read them (1.45)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from opentelemetry.util.re import parse_env_headers

from otel_dspy.diagnosis.checks.addresses import no_address, shown_address
from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.mlflow.tracking_uri import uri_error

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPORTERS: Final = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
"""Exporter of each protocol."""
USUAL_PORTS: Final = {"grpc": 4317, "http/protobuf": 4318}
"""Port of each protocol on localhost, if no endpoint is set."""
_CREDENTIAL_PROVIDER: Final = ("OTEL_PYTHON_EXPORTER_OTLP_", "CREDENTIAL_PROVIDER")
"""Beginning and end of the variables that name an entry point which adds credentials."""


@dataclass(frozen=True)
class Certificates:
    """Files of certificates for a signal, "" where none is set.

    Attributes:
        authority: certificates of the authorities that are trusted; by default those of the exporter.
        client: the client's certificate.
        key: its key, unless that is in the same file.
    """

    authority: str
    client: str
    key: str


@dataclass(frozen=True)
class OtlpEndpoint:
    """Destination of a signal.

    Attributes:
        signal: "traces", "metrics" or "logs".
        protocol: "grpc" or "http/protobuf".
        variable: environment variable of the address.
        scheme: scheme of the address, "" without one.
        host: its host.
        port: its port.
        path: path and query of requests over HTTP.
        encrypted: whether the exporter uses TLS.
        insecure_variable: variable that turns TLS off for gRPC; "" if none does.
        certificates: files of certificates.
        headers_variable: variable of the headers, which usually have the credentials; "" if none is set.
        headers: the headers.
        credentials: user and password in the address.
        has_provider: whether an entry point adds credentials, which is not called here.
        malformed_headers: whether an entry of the headers is malformed; the exporter does not send such an entry.
    """

    signal: str
    protocol: str
    variable: str
    scheme: str
    host: str
    port: int
    path: str
    encrypted: bool
    insecure_variable: str
    certificates: Certificates
    headers_variable: str
    headers: Mapping[str, str] = field(repr=False)
    credentials: tuple[str, str] | None = field(repr=False)
    has_provider: bool
    malformed_headers: bool

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    @property
    def address(self) -> str:
        """Host and port, as text."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def shown(self) -> str:
        """The address for messages, without user, password and query."""
        if self.protocol == "grpc":
            return self.address
        default = {"http": 80, "https": 443}.get(self.scheme)
        host = self.address.rpartition(":")[0] if self.port == default else self.address
        return f"{self.scheme}://{host}{self.path.partition('?')[0]}"


def otlp_endpoint(signal: str, exporter: str, environment: Mapping[str, str]) -> OtlpEndpoint | Finding:
    """Return the endpoint of an exporter, or a finding if the exporter cannot use what is set.

    Args:
        signal: "TRACES", "METRICS" or "LOGS".
        exporter: name of the exporter.
        environment: environment variables.
    """

    def of_signal(what: str) -> str:
        return next((name for name in _variables(signal, what) if environment.get(name)), "")

    protocol = environment.get(of_signal("PROTOCOL"), "grpc")
    for by_protocol, name in EXPORTERS.items():
        if exporter == name:
            protocol = by_protocol
    if protocol not in EXPORTERS:
        return Finding(
            "exporter",
            Level.PROBLEM,
            f"{protocol!r} is not an OTLP protocol that OpenTelemetry Python supports: use {' or '.join(EXPORTERS)}",
        )
    variable = of_signal("ENDPOINT")
    endpoint = environment.get(variable, f"http://localhost:{USUAL_PORTS[protocol]}")
    has_scheme = "//" in endpoint
    whole = endpoint if has_scheme else f"//{endpoint}"
    if (wrong := uri_error(whole)) is not None:
        return no_address("exporter", variable, endpoint, wrong)
    parts = urlsplit(whole)
    over_http = protocol != "grpc"
    if over_http and parts.scheme not in {"http", "https"}:
        shown = shown_address(endpoint)
        return Finding(
            "exporter",
            Level.PROBLEM,
            f"{variable}={shown}: the exporter cannot send to an address that does not begin with http:// or https://",
        )
    insecure = "" if over_http else next((name for name in _variables(signal, "INSECURE") if name in environment), "")
    encrypted = parts.scheme != "http"
    if insecure and parts.scheme != "https":
        encrypted = environment[insecure].lower() != "true"
    headers_variable = of_signal("HEADERS")
    headers, malformed = _headers(environment.get(headers_variable, ""))
    query = f"?{parts.query}" if parts.query else ""
    path = parts.path if variable == endpoint_variables(signal)[0] else f"{parts.path.rstrip('/')}/v1/{signal.lower()}"
    beginning, end = _CREDENTIAL_PROVIDER
    return OtlpEndpoint(
        signal=signal.lower(),
        protocol=protocol,
        variable=variable or endpoint_variables(signal)[1],
        scheme=parts.scheme,
        host=parts.hostname or "localhost",
        port=parts.port or (80 if over_http and parts.scheme == "http" else 443),
        path=f"{path or '/'}{query}",
        encrypted=encrypted,
        insecure_variable=insecure,
        certificates=_certificates(signal, protocol, environment),
        headers_variable=headers_variable,
        headers=headers,
        credentials=(unquote(parts.username), unquote(parts.password or "")) if parts.username else None,
        has_provider=any(name.startswith(beginning) and name.endswith(end) for name in environment),
        malformed_headers=malformed,
    )


def endpoint_variables(signal: str) -> tuple[str, str]:
    """Return the variables of an endpoint: that of the signal, which has precedence, and that of all signals."""
    return _variables(signal, "ENDPOINT")


def _variables(signal: str, what: str) -> tuple[str, str]:
    return f"OTEL_EXPORTER_OTLP_{signal}_{what}", f"OTEL_EXPORTER_OTLP_{what}"


def _certificates(signal: str, protocol: str, environment: Mapping[str, str]) -> Certificates:
    names = [_variables(signal, what) for what in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")]
    if protocol == "grpc":
        # All three are those of the signal or of all, and without an authority the client's are not used.
        files = next((found for found in zip(*names, strict=True) if environment.get(found[0])), None)
        return Certificates(*(environment.get(name, "") for name in files)) if files else Certificates("", "", "")
    return Certificates(*(environment.get(own) or environment.get(of_all, "") for own, of_all in names))


def _headers(text: str) -> tuple[Mapping[str, str], bool]:
    """Return the headers, and whether an entry is malformed, whose text the parser would log."""
    logged: list[logging.LogRecord] = []

    def keep(record: logging.LogRecord) -> bool:
        logged.append(record)
        return False

    logger = logging.getLogger(parse_env_headers.__module__)
    logger.addFilter(keep)
    try:
        return parse_env_headers(text, liberal=True), bool(logged)
    finally:
        logger.removeFilter(keep)
