"""Checks of OpenTelemetry exporters in the environment: names, protocols, endpoints and redirects."""

from __future__ import annotations

import socket
from difflib import get_close_matches
from importlib import metadata
from typing import TYPE_CHECKING, Final

from otel_dspy.diagnosis.checks.configuration_file import configuration_file
from otel_dspy.diagnosis.checks.otlp_endpoints import EXPORTERS, endpoint_variables, otlp_endpoint
from otel_dspy.diagnosis.checks.otlp_grpc_requests import grpc_finding
from otel_dspy.diagnosis.checks.otlp_requests import TIMEOUT, http_finding
from otel_dspy.diagnosis.finding import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from otel_dspy.diagnosis.checks.otlp_endpoints import OtlpEndpoint

_SIGNALS: Final = ("TRACES", "METRICS", "LOGS")
_OTLP: Final = ("otlp", "otlp_by_size", *EXPORTERS.values())
"""OTLP exporters."""


def exporters(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Check every exporter that the environment names: that it exists, and that its endpoint accepts requests.

    With a configuration file of the SDK, check that file instead.
    """
    by_file = configuration_file(environment)
    if by_file is not None:
        yield by_file
        return
    found: dict[tuple[str, int], list[OtlpEndpoint]] = {}
    for signal in _SIGNALS:
        chosen = [name.strip() for name in environment.get(f"OTEL_{signal}_EXPORTER", "").split(",") if name.strip()]
        if [name.lower() for name in chosen] == ["none"]:
            chosen = []
        if signal == "TRACES" and not chosen:
            chosen, finding = _by_default(environment)
            yield finding
        known = metadata.entry_points(group=f"opentelemetry_{signal.lower()}_exporter").names
        yield from _unknown(signal, chosen, known)
        for name in chosen:
            if name in _OTLP:
                endpoint = otlp_endpoint(signal, name, environment)
                if isinstance(endpoint, Finding):
                    yield endpoint
                elif EXPORTERS[endpoint.protocol] not in known:
                    yield _not_installed(endpoint, name, known)
                else:
                    found.setdefault(endpoint.place, []).append(endpoint)
    for endpoints in found.values():
        yield from _place(endpoints)


def _place(endpoints: Sequence[OtlpEndpoint]) -> Iterator[Finding]:
    """Check the endpoints of one host and port; those that accept requests share a finding."""
    error = _unreachable(*endpoints[0].place)
    if error is not None:
        yield Finding("exporter", Level.PROBLEM, f"{_signals(endpoints)}: cannot connect ({error})")
        return
    findings = [(endpoint, _request(endpoint)) for endpoint in endpoints]
    accepting = [endpoint for endpoint, finding in findings if finding is None]
    if accepting:
        yield Finding("exporter", Level.OK, f"{_signals(accepting)}: accepts connections")
    yield from dict.fromkeys(finding for _, finding in findings if finding is not None)
    for variable in dict.fromkeys(endpoint.headers_variable for endpoint in endpoints if endpoint.malformed_headers):
        text = f"{variable} has an entry that is not NAME=VALUE: the exporter does not send it"
        yield Finding("exporter", Level.WARNING, text)


def _signals(endpoints: Sequence[OtlpEndpoint]) -> str:
    host, port = endpoints[0].place
    signals = ", ".join(f"{endpoint.signal} ({endpoint.protocol})" for endpoint in endpoints)
    return f"{signals} to {host}:{port}"


def _request(endpoint: OtlpEndpoint) -> Finding | None:
    return grpc_finding(endpoint) if endpoint.protocol == "grpc" else http_finding(endpoint)


def _not_installed(endpoint: OtlpEndpoint, name: str, known: Collection[str]) -> Finding:
    package = f"opentelemetry-exporter-{EXPORTERS[endpoint.protocol].replace('_', '-')}"
    others = [protocol for protocol, exporter in EXPORTERS.items() if exporter in known]
    otherwise = f", or set OTEL_EXPORTER_OTLP_PROTOCOL={others[0]}" if others and name not in EXPORTERS.values() else ""
    return Finding(
        "exporter",
        Level.PROBLEM,
        f"{endpoint.signal} by {endpoint.protocol} to {endpoint.address} were not checked: the exporter is not "
        f"installed. pip install {package}{otherwise}",
    )


def _by_default(environment: Mapping[str, str]) -> tuple[list[str], Finding]:
    """Return the span exporters that apply if none is set, and a finding about them."""
    variable = "OTEL_TRACES_EXPORTER"
    value = environment.get(variable)
    if value is None and _has_distro():
        # Without opentelemetry-instrument no local receiver is needed, so localhost is checked only if it is set.
        named = any(environment.get(name) for name in endpoint_variables("TRACES"))
        return ["otlp"] if named else [], Finding(
            "exporter",
            Level.NOTE,
            f"{variable} is not set: opentelemetry-instrument exports spans over OTLP"
            + ("" if named else " to localhost")
            + f", because opentelemetry-distro is installed ({variable}=none disables it); code may set exporters",
        )
    shown = f"{variable} is not set" if value is None else f"{variable}={value}"
    return [], Finding("exporter", Level.NOTE, f"{shown}: opentelemetry-instrument sets no exporter; code may")


def _has_distro() -> bool:
    try:
        metadata.version("opentelemetry-distro")
    except metadata.PackageNotFoundError:
        return False
    return True


def _unknown(signal: str, chosen: list[str], known: AbstractSet[str]) -> Iterator[Finding]:
    for name in chosen:
        # The SDK resolves `otlp` to one of the two protocol-specific exporters.
        if name in known or (name == "otlp" and not known.isdisjoint(EXPORTERS.values())):
            continue
        near = get_close_matches(name, known, 1)
        yield Finding(
            "exporter",
            Level.PROBLEM,
            f"OTEL_{signal}_EXPORTER={name}: no installed package provides this exporter, and opentelemetry-instrument "
            "then instruments nothing. "
            + (f"Did you mean {near[0]}?" if near else f"Available: {', '.join(sorted(known))}"),
        )


def _unreachable(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), TIMEOUT).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
