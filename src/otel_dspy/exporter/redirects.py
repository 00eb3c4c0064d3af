"""Detection of OTLP endpoints that redirect, which OpenTelemetry's HTTP exporters treat as success.

The exporters do not follow the redirect, and all spans are lost silently (opentelemetry-exporter-otlp-common 0.66b2).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

REDIRECTS: Final = frozenset({300, 301, 302, 303, 305, 307, 308})
"""HTTP status codes of redirects."""


def redirect_text(url: str, location: str | None, status: int) -> str:
    """Return an error message for a redirect, with a remedy and without user, password and query.

    Args:
        url: the URL of the request.
        location: header `Location` of the response.
        status: status code of the response.
    """
    target = _shown(urljoin(url, location)) if location else "an unknown address"
    return (
        f"{_shown(url)} redirects to {target} (status {status}), and OpenTelemetry's exporters do not follow "
        "redirects: set the endpoint to the address that it redirects to"
    )


def _shown(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an invalid URL"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
