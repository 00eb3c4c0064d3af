"""Checks of OpenTelemetry exporters in the environment: names, protocols, endpoints and redirects."""

from __future__ import annotations

import socket
from difflib import get_close_matches
from importlib import metadata
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from otel_dspy.diagnosis.checks.otlp_requests import TIMEOUT, certificates, failed_requests
from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.tracking_uri import address_without_passwords, uri_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otel_dspy.diagnosis.checks.otlp_requests import Certificates

_SIGNALS: Final = ("TRACES", "METRICS", "LOGS")
_PORTS: Final = {"grpc": 4317, "http/protobuf": 4318}
_BY_PROTOCOL: Final = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_OTLP: Final = ("otlp", "otlp_by_size", *_BY_PROTOCOL.values())
"""OTLP exporters."""


def exporters(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Check every exporter that the environment names: that it exists, and that its endpoint accepts connections."""
    asked: dict[tuple[str, int], list[str]] = {}
    urls: dict[tuple[str, int], dict[str, Certificates]] = {}
    for signal in _SIGNALS:
        chosen = [name.strip() for name in environment.get(f"OTEL_{signal}_EXPORTER", "").split(",") if name.strip()]
        if [name.lower() for name in chosen] == ["none"]:
            chosen = []
        if signal == "TRACES" and not chosen:
            chosen, finding = _by_default(environment)
            yield finding
        yield from _unknown(signal, chosen)
        for name in chosen:
            if name in _OTLP:
                found = _place(signal, name, environment)
                if isinstance(found, Finding):
                    yield found
                else:
                    protocol, where, url = found
                    asked.setdefault(where, []).append(f"{signal.lower()} ({protocol})")
                    if protocol == "http/protobuf":
                        urls.setdefault(where, {})[url] = certificates(signal, environment)
    for (host, port), signals in asked.items():
        error = _unreachable(host, port)
        what = f"{', '.join(signals)} to {host}:{port}"
        if error is None:
            yield Finding("exporter", Level.OK, f"{what}: accepts connections")
            yield from failed_requests(urls.get((host, port), {}))
        else:
            yield Finding("exporter", Level.PROBLEM, f"{what}: cannot connect ({error})")


def _by_default(environment: Mapping[str, str]) -> tuple[list[str], Finding]:
    """Return the span exporters that apply if none is set, and a finding about them."""
    variable = "OTEL_TRACES_EXPORTER"
    value = environment.get(variable)
    if value is None and _has_distro():
        # Without opentelemetry-instrument no local receiver is needed, so localhost is checked only if it is set.
        named = any(environment.get(name) for name in _endpoint_variables("TRACES"))
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


def _unknown(signal: str, chosen: list[str]) -> Iterator[Finding]:
    known = metadata.entry_points(group=f"opentelemetry_{signal.lower()}_exporter").names
    for name in chosen:
        # The SDK resolves `otlp` to one of the two protocol-specific exporters.
        if name in known or (name == "otlp" and known & set(_BY_PROTOCOL.values())):
            continue
        near = get_close_matches(name, known, 1)
        yield Finding(
            "exporter",
            Level.PROBLEM,
            f"OTEL_{signal}_EXPORTER={name}: no installed package provides this exporter, and opentelemetry-instrument "
            "then instruments nothing. "
            + (f"Did you mean {near[0]}?" if near else f"Available: {', '.join(sorted(known))}"),
        )


def _place(signal: str, exporter: str, environment: Mapping[str, str]) -> tuple[str, tuple[str, int], str] | Finding:
    """Return protocol, (host, port) and URL of an exporter, or a finding if they are invalid."""
    protocol = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environment.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"
    )
    for by_protocol, name in _BY_PROTOCOL.items():
        if exporter == name:
            protocol = by_protocol
    port = _PORTS.get(protocol)
    if port is None:
        return Finding(
            "exporter",
            Level.PROBLEM,
            f"{protocol!r} is not an OTLP protocol that OpenTelemetry Python supports: use {' or '.join(_PORTS)}",
        )
    variable, endpoint = next(
        ((name, environment[name]) for name in _endpoint_variables(signal) if environment.get(name)),
        ("", f"http://localhost:{port}"),
    )
    whole = endpoint if "//" in endpoint else f"//{endpoint}"
    if (wrong := uri_error(whole)) is not None:
        return no_address("exporter", variable, endpoint, wrong)
    parts = urlsplit(whole)
    where = (parts.hostname or "localhost", parts.port or (443 if parts.scheme == "https" else port))
    below = "" if variable == _endpoint_variables(signal)[0] else f"/v1/{signal.lower()}"
    return protocol, where, f"{whole.rstrip('/') if below else whole}{below}"


def _endpoint_variables(signal: str) -> tuple[str, str]:
    return f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"


def no_address(subject: str, variable: str, address: str, wrong: str) -> Finding:
    """Return a finding for an invalid address.

    Args:
        subject: subject of the finding.
        variable: environment variable of the address.
        address: the address, which may contain a password.
        wrong: result of `trouble` for it.
    """
    shown = address_without_passwords(address)
    return Finding(subject, Level.PROBLEM, f"{variable}={shown} is not a valid address: {wrong}. Use http://HOST:PORT")


def _unreachable(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), TIMEOUT).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
