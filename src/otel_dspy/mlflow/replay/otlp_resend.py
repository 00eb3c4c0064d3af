"""Spool files to any OTLP/HTTP endpoint, as the JSON that they are. Needs nothing but the standard library."""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from typing_extensions import override

from otel_dspy.exporter.redirects import REDIRECTS, redirect_text
from otel_dspy.mlflow.delivery.spool import OURS, spool_name
from otel_dspy.tracking_uri import address_without_passwords, trouble, without_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE: Final = 200
"""Lines in a request."""
TRIES: Final = 6
TIMEOUT: Final = 30.0
"""Seconds for a request."""
LONGEST_RETRY_AFTER: Final = 300.0
"""Seconds that an endpoint may ask for with `Retry-After`; beyond them the file stays for another day."""
PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
"""HTTP statuses that may pass; others are final."""
HEADERS_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")


class EndpointError(Exception):
    """The endpoint did not take it; the text says why."""


def traces_url(url: str) -> str:
    """The URL to post to: `/v1/traces` below a base URL, or the URL as it is where it names a path for traces.

    Raises:
        EndpointError: it is no http(s) URL.
    """
    shown = address_without_passwords(url)
    if not url.lower().startswith(("http://", "https://")):
        raise EndpointError(f"{shown!r} is no http:// or https:// URL")
    if (wrong := trouble(url)) is not None:
        raise EndpointError(f"{shown!r} is no http:// or https:// URL: {wrong}")
    parts = urllib.parse.urlsplit(url)
    if parts.path.endswith("/traces"):
        return url
    return urllib.parse.urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/v1/traces"))


def resend(file: BinaryIO, url: str) -> tuple[int, list[tuple[int, str]]]:
    """Send a file's spans, without what says where in MLflow they were to go.

    Args:
        file: the file.
        url: what `traces_url` gave.

    Returns:
        How many spans were taken, and (line number, what is wrong) of each line that could not be read. A last line
        that a crash has cut is not among them.

    Raises:
        EndpointError: the endpoint did not take them, or not all of them.
        OSError: the file cannot be read.
    """
    damaged: list[tuple[int, str]] = []
    waiting: list[Any] = []
    sent = total = 0
    for number, line in enumerate(file, 1):
        try:
            found = list(_resource_spans(line))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            if line.endswith(b"\n") or not (total or spool_name(Path(file.name))):
                damaged.append((number, f"{type(error).__name__}: {error}"))
        else:
            total += len(found)
            waiting += found
        if len(waiting) >= AT_ONCE:
            sent += _post(url, waiting)
            waiting = []
    if waiting:
        sent += _post(url, waiting)
    if sent < total:
        raise EndpointError(f"it rejected {total - sent} of {total} spans")
    return sent, damaged


def _resource_spans(line: bytes) -> Iterator[Any]:
    if not line.strip():
        return
    for found in json.loads(line)["resourceSpans"]:
        if found["scopeSpans"]:
            resource = found["resource"]
            resource["attributes"] = [entry for entry in resource["attributes"] if not entry["key"].startswith(OURS)]
            yield found


def _post(url: str, resource_spans: list[Any]) -> int:
    body = json.dumps({"resourceSpans": resource_spans}, ensure_ascii=False).encode()
    url, login = _login(url)
    headers = {"Content-Type": "application/json", **login, **_headers()}
    pause, reason = 0.5, ""
    for left in reversed(range(TRIES)):
        asked = 0.0
        try:
            request = urllib.request.Request(url, body, headers)  # noqa: S310 - `traces_url` lets http and https through
            with _OPENER.open(request, timeout=TIMEOUT) as answer:
                return len(resource_spans) - _rejected(answer.read())
        except urllib.error.HTTPError as error:
            reason = f"it answered {error.code} {error.reason}"
            if error.code in REDIRECTS:
                reason += f"; {redirect_text(url, error.headers.get('Location'), error.code)}"
            if error.code not in PASSING:
                break
            asked = _seconds(error.headers.get("Retry-After"))
            if asked > LONGEST_RETRY_AFTER:
                reason += f" and asks to wait for {asked:.0f} s"
                break
        except (http.client.InvalidURL, UnicodeError) as error:
            reason = f"it cannot be asked: {address_without_passwords(str(error))}"
            break
        except (OSError, http.client.HTTPException) as error:
            reason = without_passwords(str(getattr(error, "reason", error)) or type(error).__name__)
        if left:
            time.sleep(max(asked, pause * (0.5 + random.random() / 2)))  # noqa: S311 - chance, no secret
            pause *= 2
    raise EndpointError(reason)


def _login(url: str) -> tuple[str, dict[str, str]]:
    """The URL without user and password, which urllib takes for a part of the host, and the header that says them."""
    parts = urllib.parse.urlsplit(url)
    login, at, place = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    user, _, password = login.partition(":")
    both = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
    header = {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
    return urllib.parse.urlunsplit(parts._replace(netloc=place)), header


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET without its body, which many a server answers with 200."""

    @override
    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirects)


def _rejected(body: bytes) -> int:
    try:
        return int(json.loads(body)["partialSuccess"]["rejectedSpans"])
    except (KeyError, TypeError, ValueError):
        return 0


def _seconds(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


def _headers() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in HEADERS_VARIABLES:
        for entry in os.environ.get(name, "").split(","):
            key, separator, value = entry.partition("=")
            if separator:
                found[key.strip()] = urllib.parse.unquote(value.strip())
    return found
