"""What OpenTelemetry's exporters are set to by the environment, and whether somebody listens where they send."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from difflib import get_close_matches
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from typing_extensions import override

from otel_dspy.doctor.finding import Finding, Level
from otel_dspy.exporter.redirects import REDIRECTS, redirect_text
from otel_dspy.tracking_uri import address_without_passwords, trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PATIENCE: Final = 3.0
"""Seconds that a destination has to answer."""
_SIGNALS: Final = ("TRACES", "METRICS", "LOGS")
_PORTS: Final = {"grpc": 4317, "http/protobuf": 4318}
_BY_PROTOCOL: Final = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_OTLP: Final = ("otlp", "otlp_by_size", *_BY_PROTOCOL.values())
"""Exporters that send by OTLP."""


def exporters(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Every exporter that the environment names: whether it is one, and whether somebody listens for it."""
    asked: dict[tuple[str, int], list[str]] = {}
    urls: dict[tuple[str, int], dict[str, None]] = {}
    for signal in _SIGNALS:
        chosen = [name.strip() for name in environment.get(f"OTEL_{signal}_EXPORTER", "").split(",") if name.strip()]
        if [name.lower() for name in chosen] == ["none"]:
            chosen = []
        if signal == "TRACES" and not chosen:
            chosen, said = _by_default(environment)
            yield said
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
                        urls.setdefault(where, {})[url] = None
    for (host, port), signals in asked.items():
        error = _unreachable(host, port)
        what = f"{', '.join(signals)} to {host}:{port}"
        if error is None:
            yield Finding("exporter", Level.OK, f"{what}: something listens there")
            yield from _redirected(urls.get((host, port), {}))
        else:
            yield Finding("exporter", Level.PROBLEM, f"{what}: nobody listens there ({error})")


def _by_default(environment: Mapping[str, str]) -> tuple[list[str], Finding]:
    """The exporters of spans where none is named, and what there is to say of that."""
    variable = "OTEL_TRACES_EXPORTER"
    told = environment.get(variable)
    if told is None and _has_distro():
        # Nobody who runs a program without opentelemetry-instrument needs a receiver on this host.
        named = any(environment.get(name) for name in _endpoint_variables("TRACES"))
        return ["otlp"] if named else [], Finding(
            "exporter",
            Level.NOTE,
            f"{variable} is not set: opentelemetry-instrument sends spans by OTLP"
            + ("" if named else " to localhost")
            + f", for opentelemetry-distro is installed ({variable}=none: nowhere); code may send them elsewhere",
        )
    shown = f"{variable} is not set" if told is None else f"{variable}={told}"
    return [], Finding("exporter", Level.NOTE, f"{shown}: opentelemetry-instrument sends no spans by itself; code may")


def _has_distro() -> bool:
    try:
        metadata.version("opentelemetry-distro")
    except metadata.PackageNotFoundError:
        return False
    return True


def _unknown(signal: str, chosen: list[str]) -> Iterator[Finding]:
    known = metadata.entry_points(group=f"opentelemetry_{signal.lower()}_exporter").names
    for name in chosen:
        # The SDK itself makes one of the two others of `otlp`.
        if name in known or (name == "otlp" and known & set(_BY_PROTOCOL.values())):
            continue
        near = get_close_matches(name, known, 1)
        yield Finding(
            "exporter",
            Level.PROBLEM,
            f"OTEL_{signal}_EXPORTER={name}: no package that is installed has an exporter of that name, and "
            "opentelemetry-instrument instruments nothing then. "
            + (f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(known))}"),
        )


def _place(signal: str, exporter: str, environment: Mapping[str, str]) -> tuple[str, tuple[str, int], str] | Finding:
    """The protocol, the host and port, and the URL that an exporter sends to, or what is wrong with them."""
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
            f"{protocol!r} is no OTLP protocol that Python speaks; use {' or '.join(_PORTS)}",
        )
    variable, endpoint = next(
        ((name, environment[name]) for name in _endpoint_variables(signal) if environment.get(name)),
        ("", f"http://localhost:{port}"),
    )
    whole = endpoint if "//" in endpoint else f"//{endpoint}"
    if (wrong := trouble(whole)) is not None:
        return no_address("exporter", variable, endpoint, wrong)
    parts = urlsplit(whole)
    where = (parts.hostname or "localhost", parts.port or (443 if parts.scheme == "https" else port))
    below = "" if variable == _endpoint_variables(signal)[0] else f"/v1/{signal.lower()}"
    return protocol, where, f"{whole.rstrip('/') if below else whole}{below}"


def _endpoint_variables(signal: str) -> tuple[str, str]:
    return f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"


def no_address(subject: str, variable: str, address: str, wrong: str) -> Finding:
    """An address in a variable that is none; `wrong` is what `trouble` says of it."""
    shown = address_without_passwords(address)
    return Finding(subject, Level.PROBLEM, f"{variable}={shown} is no address: {wrong}. Write it as http://HOST:PORT")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    @override
    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


def _redirected(urls: Iterable[str]) -> Iterator[Finding]:
    """Every URL that redirects a request without spans, which is what OTLP lets anybody send."""
    opener = urllib.request.build_opener(_NoRedirects)
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"}:
            continue
        plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        request = urllib.request.Request(plain, b"", {"Content-Type": "application/x-protobuf"})  # noqa: S310 - http or https
        try:
            opener.open(request, timeout=PATIENCE).close()
        except urllib.error.HTTPError as error:
            if error.code in REDIRECTS:
                text = redirect_text(plain, error.headers.get("Location"), error.code)
                yield Finding("exporter", Level.PROBLEM, f"{text}. Until then all of it is lost without a message")
        except (OSError, ValueError, http.client.HTTPException):
            continue  # that something listens there has been said


def _unreachable(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
