"""Check of OTLP/HTTP endpoints by a request without spans, sent as OpenTelemetry's exporter does."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from otel_dspy.diagnosis.checks import otlp_rejections as rejections
from otel_dspy.diagnosis.checks.tls_ports import speaks_tls
from otel_dspy.diagnosis.finding import LONGEST_REASON
from otel_dspy.exporter.redirects import REDIRECTS, redirect_text
from otel_dspy.mlflow.tracking.requests.tls_errors import Remedy
from otel_dspy.mlflow.tracking.store.traces import trace_batch
from otel_dspy.mlflow.tracking_uri import without_passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

    from otel_dspy.diagnosis.checks.otlp_endpoints import OtlpEndpoint
    from otel_dspy.diagnosis.finding import Finding

TIMEOUT: Final = 3.0
"""Timeout in seconds of each request to a destination."""
_EXPERIMENT: Final = trace_batch.EXPERIMENT_HEADER
"""Header that MLflow's own OTLP endpoint requires."""
_REJECTIONS: Final[Mapping[int, Callable[[OtlpEndpoint, str], Finding]]] = {
    HTTPStatus.UNAUTHORIZED: rejections.rejected_credentials,
    HTTPStatus.FORBIDDEN: rejections.rejected_credentials,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: rejections.proxy_credentials,
    HTTPStatus.NOT_FOUND: rejections.unsupported,
    HTTPStatus.METHOD_NOT_ALLOWED: rejections.unsupported,
    HTTPStatus.GONE: rejections.unsupported,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: rejections.unsupported_encoding,
    HTTPStatus.TOO_MANY_REQUESTS: rejections.busy,
    HTTPStatus.SERVICE_UNAVAILABLE: rejections.busy,
}


def http_finding(endpoint: OtlpEndpoint) -> Finding | None:
    """Send an endpoint an empty OTLP request; return what prevents requests, or may, and None if nothing does."""
    import requests  # noqa: PLC0415 - OpenTelemetry's exporter needs it; the package does not

    try:
        answer = _post(endpoint, {"content-type": "application/x-protobuf", **endpoint.headers})
    except (requests.exceptions.InvalidHeader, UnicodeError):
        return rejections.malformed_header(endpoint)
    except requests.Timeout:
        return rejections.no_answer(endpoint, TIMEOUT)
    except (OSError, ValueError) as error:
        return _failed(endpoint, error)
    return _answered(endpoint, answer)


def _post(endpoint: OtlpEndpoint, headers: Mapping[str, str]) -> requests.Response:
    import requests  # noqa: PLC0415 - as above

    files = endpoint.certificates
    return requests.post(
        f"{endpoint.scheme}://{endpoint.address}{endpoint.path}", b"", timeout=TIMEOUT, allow_redirects=False,
        headers=headers, auth=endpoint.credentials, verify=files.authority or True,
        cert=(files.client, files.key) if files.key else files.client or None,
    )  # fmt: skip


def _failed(endpoint: OtlpEndpoint, error: Exception) -> Finding:
    from otel_dspy.mlflow.tracking.requests.error_cause import (  # noqa: PLC0415 - it imports requests
        error_cause,
        tls_failure_of,
        was_not_sent,
    )

    failure = tls_failure_of(error)
    if failure is not None and failure.untrusted is not None:
        return rejections.untrusted_certificate(endpoint, failure.untrusted)
    _, mark, query = endpoint.path.partition("?")
    cause = without_passwords(error_cause(error, LONGEST_REASON)).replace(f"{mark}{query}", "")
    if was_not_sent(error):
        return rejections.problem(f"{endpoint.shown}: the exporter cannot send a request: {cause}")
    mismatch = rejections.encryption_mismatch(endpoint, encrypted=speaks_tls(endpoint, TIMEOUT))
    if mismatch is None and failure is not None and failure.remedy in {Remedy.CLIENT, Remedy.HANDSHAKE}:
        return rejections.client_certificate(endpoint, cause)
    return mismatch or rejections.no_receiver(endpoint, f"does not answer: {cause}")


def _answered(endpoint: OtlpEndpoint, answer: requests.Response) -> Finding | None:
    code, status = answer.status_code, f"status {answer.status_code}"
    if code in REDIRECTS:
        text = redirect_text(endpoint.shown, answer.headers.get("Location"), code)
        return rejections.problem(f"{text}. Until then all data is silently dropped")
    if code in _REJECTIONS:
        return _REJECTIONS[code](endpoint, status)
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return rejections.failing(endpoint, status)
    if code >= HTTPStatus.BAD_REQUEST:
        return _bad_request(endpoint, answer, status)
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        return rejections.no_receiver(endpoint, f"answers with a web page ({status})")
    return None


def _bad_request(endpoint: OtlpEndpoint, answer: requests.Response, status: str) -> Finding:
    if _EXPERIMENT in answer.text and _EXPERIMENT not in endpoint.headers:
        headers = endpoint.headers_variable or f"OTEL_EXPORTER_OTLP_{endpoint.signal.upper()}_HEADERS"
        if _has_the_app(endpoint):
            return rejections.server_app(endpoint, f"{_EXPERIMENT}=ID in {headers}")
        return rejections.problem(f"{endpoint.shown} is MLflow's ({status}): add {_EXPERIMENT}=ID to {headers}")
    # Go's servers answer a request without TLS.
    without_tls = not endpoint.encrypted and speaks_tls(endpoint, TIMEOUT)
    mismatch = rejections.encryption_mismatch(endpoint, encrypted=True) if without_tls else None
    return mismatch or rejections.inconclusive(endpoint, status)


def _has_the_app(endpoint: OtlpEndpoint) -> bool:
    """Return whether MLflow's server runs with `--app-name otel-dspy`, which answers an empty trace batch."""
    own = {"content-type": trace_batch.MEDIA_TYPE, _EXPERIMENT: "0"}
    try:
        answer = _post(endpoint, {**endpoint.headers, **own})
    except (OSError, ValueError):  # those of requests included
        return False
    return answer.status_code == HTTPStatus.OK and trace_batch.answer(answer.content, 0) is not None
