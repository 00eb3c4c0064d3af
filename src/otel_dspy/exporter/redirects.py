"""OTLP endpoints that answer with a redirect. OpenTelemetry's exporters over HTTP count that as success.

They do not follow it either, so all spans are lost without a message (opentelemetry-exporter-otlp-common 1.45.2).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

REDIRECTS: Final = frozenset({300, 301, 302, 303, 305, 307, 308})
"""HTTP statuses that name another address."""


def redirect_text(url: str, location: str | None, status: int) -> str:
    """What an endpoint answered and what to do about it; without user, password and query.

    Args:
        url: the request's.
        location: header `Location` of the answer.
        status: of the answer.
    """
    target = _shown(urljoin(url, location)) if location else "an address that it does not name"
    return (
        f"{_shown(url)} redirects to {target} (status {status}), and OpenTelemetry's exporters do not follow: set the "
        "endpoint to where it redirects"
    )


def _shown(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
