"""Sends spool files to an OTLP/HTTP endpoint as JSON."""

from __future__ import annotations

import json
import os
import random
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from otel_dspy.exporter.redirects import REDIRECTS, redirect_text
from otel_dspy.mlflow.delivery.spool_folder import OURS, spool_name
from otel_dspy.mlflow.tracking.requests.retry_after import MAX_RETRY_AFTER, retry_after_seconds
from otel_dspy.mlflow.tracking.requests.tls_errors import Remedy
from otel_dspy.mlflow.tracking_uri import address_without_passwords, uri_error, without_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

AT_ONCE: Final = 200
"""Number of spans from which on a request is sent; a line is not divided."""
TRIES: Final = 6
TIMEOUT: Final = 30.0
"""Timeout of a request in seconds."""
PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Transient HTTP statuses; others are final."""
_SUCCESS: Final = range(200, 300)
HEADERS_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")


class EndpointError(Exception):
    """The endpoint did not accept the request; the message contains the reason."""


def traces_url(url: str) -> str:
    """Return the URL to post to: `/v1/traces` below a base URL, or the URL itself if it has a path for traces.

    Raises:
        EndpointError: it is not an http(s) URL.
    """
    shown = address_without_passwords(url)
    if not url.lower().startswith(("http://", "https://")):
        raise EndpointError(f"{shown!r} is not an http:// or https:// URL")
    if (wrong := uri_error(url)) is not None:
        raise EndpointError(f"{shown!r} is not an http:// or https:// URL: {wrong}")
    parts = urllib.parse.urlsplit(url)
    if parts.path.endswith("/traces"):
        return url
    return urllib.parse.urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/v1/traces"))


def resend(file: BinaryIO, url: str) -> tuple[int, list[tuple[int, str]]]:
    """Send the spans of a file of OTLP JSON, without the resource attributes for MLflow's route.

    Args:
        file: the file.
        url: the result of `traces_url`.

    Returns:
        The number of accepted spans, and (line number, error) of each line that could not be parsed, except for a last
        line that was cut off by a crash.

    Raises:
        EndpointError: the endpoint did not accept all spans.
        OSError: the file cannot be read.
    """
    damaged: list[tuple[int, str]] = []
    waiting: list[Any] = []
    rejected = total = unsent = 0
    for number, line in enumerate(file, 1):
        try:
            found = list(_resource_spans(line))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            if line.endswith(b"\n") or not (total or spool_name(Path(file.name))):
                damaged.append((number, f"{type(error).__name__}: {error}"))
        else:
            total += _number_of_spans(found)
            unsent += _number_of_spans(found)
            waiting += found
        if unsent >= AT_ONCE:
            rejected += len(waiting) - _post(url, waiting)
            waiting, unsent = [], 0
    if waiting:
        rejected += len(waiting) - _post(url, waiting)
    if rejected:
        raise EndpointError(f"{rejected} of {total} spans were rejected")
    return total, damaged


_CLIENT: Final = (
    "if it requires a client certificate, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY must "
    "name the files of a valid one and its key"
)
_REMEDIES: Final[Mapping[Remedy, str]] = {
    Remedy.AUTHORITY: "OTEL_EXPORTER_OTLP_CERTIFICATE must name a file with the certificate of its authority",
    Remedy.VALIDITY: "renew it, or correct the clock of this machine",
    Remedy.HOST: "the address must have a host name of the certificate",
    Remedy.CLIENT: _CLIENT,
    Remedy.HANDSHAKE: _CLIENT,
    Remedy.NO_TLS: "the address must begin with http://",
}
"""What to do about failures of TLS."""


def _resource_spans(line: bytes) -> Iterator[Any]:
    if not line.strip():
        return
    for found in json.loads(line)["resourceSpans"]:
        if found.get("scopeSpans"):
            resource = found.setdefault("resource", {})
            attributes = [entry for entry in resource.get("attributes", ()) if not entry["key"].startswith(OURS)]
            resource["attributes"] = attributes
            yield found


def _number_of_spans(resource_spans: list[Any]) -> int:
    return sum(len(scope.get("spans", ())) for found in resource_spans for scope in found["scopeSpans"])


def _post(url: str, resource_spans: list[Any]) -> int:
    import requests  # noqa: PLC0415 - keeps the other commands fast

    body = json.dumps({"resourceSpans": resource_spans}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", **_headers()}
    authority, client, key = (_certificate(what) for what in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"))
    trusted = authority or True  # requests then reads REQUESTS_CA_BUNDLE
    cert = (client, key) if client and key else client
    pause, reason = 0.5, ""
    for left in reversed(range(TRIES)):
        retry_after = 0.0
        try:
            # A redirected POST would become a GET without a body, which many servers answer with 200.
            answer = requests.post(
                url, body, headers=headers, timeout=TIMEOUT, allow_redirects=False, verify=trusted, cert=cert
            )
        except ValueError as error:  # the URL or a header
            reason = f"the request failed: {address_without_passwords(str(error))}"
            break
        except OSError as error:
            reason = _cause(error)
        else:
            if answer.status_code in _SUCCESS:
                return len(resource_spans) - _rejected(answer.content)
            reason = f"status {answer.status_code} {answer.reason}"
            if answer.status_code in REDIRECTS:
                reason += f"; {redirect_text(url, answer.headers.get('Location'), answer.status_code)}"
            if answer.status_code not in PASSING:
                break
            retry_after = retry_after_seconds(answer.headers) or 0.0
            if retry_after > MAX_RETRY_AFTER:  # the file is kept for a later replay
                reason += f"; retry after {retry_after:.0f} s"
                break
        if left:
            time.sleep(max(retry_after, pause * (0.5 + random.random() / 2)))  # noqa: S311 - jitter, not a secret
            pause *= 2
    raise EndpointError(reason)


def _cause(error: OSError) -> str:
    """Return the text of a failed connection without those of the layers of requests and urllib3 around it.

    For a failure of TLS, what is to be changed too.
    """
    from otel_dspy.mlflow.tracking.requests.error_cause import tls_failure_of  # noqa: PLC0415 - it imports requests

    if (failure := tls_failure_of(error)) is not None:
        return f"{failure.cause.removesuffix('.')}: {_REMEDIES[failure.remedy]}"
    inner: object = error.args[0] if error.args else error
    return without_passwords(str(getattr(inner, "reason", inner)) or type(error).__name__)


def _rejected(body: bytes) -> int:
    try:
        return int(json.loads(body)["partialSuccess"]["rejectedSpans"])
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError):
        return 0


def _certificate(what: str) -> str | None:
    """Return the file that the variable of traces names, or else that of all signals; None if neither is set.

    Raises:
        EndpointError: the variable does not name a file.
    """
    for name in (f"OTEL_EXPORTER_OTLP_TRACES_{what}", f"OTEL_EXPORTER_OTLP_{what}"):
        if file := os.environ.get(name):
            if not Path(file).is_file():
                raise EndpointError(f"{name} names {file!r}, which is not a file")
            return file
    return None


def _headers() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in HEADERS_VARIABLES:
        for entry in os.environ.get(name, "").split(","):
            key, separator, value = entry.partition("=")
            if separator:
                found[key.strip()] = urllib.parse.unquote(value.strip())
    return found
