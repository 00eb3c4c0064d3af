"""Check of OTLP/HTTP endpoints by a request without spans, sent as OpenTelemetry's exporter does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.exporter.redirects import REDIRECTS, redirect_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TIMEOUT: Final = 3.0
"""Timeout in seconds of each request to a destination."""
AUTHORITY: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
_LONGEST_REASON: Final = 300
"""Maximum characters of an error's message."""


@dataclass(frozen=True)
class Certificates:
    """Files of certificates for a signal, "" where none is set.

    Attributes:
        authority: certificates of the authorities that are trusted; by default those of `requests`.
        client: the client's certificate.
        key: its key, unless that is in the same file.
    """

    authority: str
    client: str
    key: str


def certificates(signal: str, environment: Mapping[str, str]) -> Certificates:
    """Return the files that the exporter of a signal uses; the signal's own variables have precedence."""

    def file(what: str) -> str:
        of_signal = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_{what}", "")
        return of_signal or environment.get(f"OTEL_EXPORTER_OTLP_{what}", "")

    return Certificates(file("CERTIFICATE"), file("CLIENT_CERTIFICATE"), file("CLIENT_KEY"))


def failed_requests(urls: Mapping[str, Certificates]) -> Iterator[Finding]:
    """Send each URL an empty OTLP request; report redirects, and what prevents all requests: untrusted certificates."""
    for url, files in urls.items():
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"}:
            plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            problem = _problem(plain, files)
            if problem is not None:
                yield Finding("exporter", Level.PROBLEM, problem)


def _problem(url: str, files: Certificates) -> str | None:
    try:
        import requests  # noqa: PLC0415 - OpenTelemetry's exporter needs it; the package does not
    except ImportError:
        return None  # the exporter is missing too, which is reported
    from otel_dspy.mlflow.tracking.requests.error_cause import (  # noqa: PLC0415 - it imports requests
        error_cause,
        untrusted_certificate,
        was_not_sent,
    )

    try:
        answer = requests.post(
            url, b"", headers={"Content-Type": "application/x-protobuf"}, timeout=TIMEOUT, allow_redirects=False,
            verify=files.authority or True, cert=(files.client, files.key) if files.key else files.client or None,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        untrusted = untrusted_certificate(error)
        if untrusted is not None:
            return (
                f"the certificate of {url} is not trusted ({untrusted}): {AUTHORITY} must name a file with the "
                "certificate of its authority"
            )
        if was_not_sent(error):
            return f"{url}: the exporter cannot send a request: {error_cause(error, _LONGEST_REASON)}"
        return None  # connection errors have been reported already
    if answer.status_code in REDIRECTS:
        text = redirect_text(url, answer.headers.get("Location"), answer.status_code)
        return f"{text}. Until then all data is silently dropped"
    return None
