"""HTTP equivalents of the exceptions of object store clients: boto3, Azure and Google Cloud Storage.

MLflow writes artifacts through these libraries. Each has its own exception classes, some for responses of the store,
some for failures before there is one (no credentials, no connection). Classes are looked up in loaded modules only: a
library that is not loaded has raised nothing.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.tracking.requests.retry_after import retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

UNAUTHORIZED: Final = 401
FAILED: Final = 500
UNAVAILABLE: Final = 503

_CREDENTIAL_CODES: Final = frozenset({
    "AuthFailure", "ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId",
    "InvalidIdentityToken", "InvalidToken", "RequestExpired", "TokenRefreshRequired", "UnauthorizedAccess",
    "UnrecognizedClientException",
})  # fmt: skip
"""AWS error codes for rejected credentials; S3 and STS return several of them with status 400."""
_TRANSIENT_CODES: Final = frozenset({
    "BandwidthLimitExceeded", "IDPCommunicationError", "PriorRequestNotComplete", "RequestLimitExceeded",
    "RequestThrottled", "RequestThrottledException", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable",
    "SlowDown", "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
})  # fmt: skip
"""AWS error codes for throttling and timeouts; several have status 400."""
_STATUSES: Final = {
    "AccessDenied": 403, "AccountProblem": 403, "AllAccessDisabled": 403, "InvalidObjectState": 403,
    "RequestTimeTooSkewed": 403, "SignatureDoesNotMatch": 403,
    "EntityTooLarge": 400, "InvalidBucketName": 400, "KeyTooLongError": 400, "NoSuchBucket": 404,
    "MethodNotAllowed": 405, "InternalError": 500,
}  # fmt: skip
"""Statuses of other errors of uploads, from S3's list of error codes."""
_CODE: Final = re.compile(r": An error occurred \(([^()]+)\) when calling the ")
"""The error code in the message of botocore's `ClientError`, which boto3 quotes."""
_CLASSES: Final[tuple[tuple[str, tuple[str, ...], int], ...]] = (
    (
        "botocore.exceptions",
        (
            "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "NoAuthTokenError",
            "TokenRetrievalError", "UnauthorizedSSOTokenError", "SSOError", "LoginError", "ProfileNotFound",
            "UnknownCredentialError",
        ),
        UNAUTHORIZED,
    ),
    (
        "botocore.exceptions",
        ("ConnectionError", "HTTPClientError", "IncompleteReadError", "ChecksumError", "MetadataRetrievalError"),
        UNAVAILABLE,
    ),
    ("azure.core.exceptions", ("ClientAuthenticationError",), UNAUTHORIZED),
    (
        "azure.core.exceptions",
        ("ServiceRequestError", "ServiceResponseError", "IncompleteReadError"),
        UNAVAILABLE,
    ),
    ("google.api_core.exceptions", ("RetryError",), UNAVAILABLE),
    ("google.auth.exceptions", ("TransportError", "ResponseError"), UNAVAILABLE),
    ("google.auth.exceptions", ("GoogleAuthError",), UNAUTHORIZED),
    ("google.resumable_media.common", ("DataCorruption",), UNAVAILABLE),
    ("google.cloud.storage.exceptions", ("DataCorruption",), UNAVAILABLE),
)  # fmt: skip
"""Module, class names, and the equivalent HTTP status. The first match counts."""


def http_status(error: BaseException) -> int | None:
    """Return the HTTP status that is equivalent to an error of these libraries.

    Args:
        error: one exception; its causes are not inspected.

    Returns:
        None if the error is not from these libraries or has no equivalent.
    """
    if _is(error, "botocore.exceptions", "ClientError"):
        return _aws_status(error)
    answered = _answered_status(error)
    if answered is not None:
        return answered
    if _is(error, "google.auth.exceptions", "GoogleAuthError") and getattr(error, "retryable", False):
        return UNAVAILABLE
    for module, names, status in _CLASSES:
        if any(_is(error, module, name) for name in names):
            return status
    return None


def status_in_message(error: BaseException) -> int | None:
    """Return the HTTP status that is equivalent to an error of boto3's uploads without the `ClientError` behind it.

    An upload that fails may lose its `__context__`: s3transfer raises the `ClientError` again while it closes.

    Returns:
        `FAILED` for a code of unknown status, so that the upload is attempted again. None for other errors.
    """
    found = _CODE.search(str(error)) if _is(error, "boto3.exceptions", "S3UploadFailedError") else None
    if found is None:
        return None
    code = found[1]
    return _status_of_code(code) or _STATUSES.get(code) or (int(code) if code.isdecimal() else FAILED)


def retry_after(error: BaseException) -> float | None:
    """Return the seconds in the `Retry-After` header of the response that caused the error; None without one."""
    return next((retry_after_seconds(headers) for headers in _headers(error)), None)


def _headers(error: BaseException) -> Iterator[Any]:
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        with suppress(KeyError, TypeError):
            yield response["ResponseMetadata"]["HTTPHeaders"]
    else:
        yield getattr(response, "headers", None)


def _aws_status(error: BaseException) -> int | None:
    response: Any = getattr(error, "response", None)
    code: object = None
    with suppress(KeyError, TypeError):
        code = response["Error"]["Code"]
    known = _status_of_code(code)
    if known is not None:
        return known
    with suppress(KeyError, TypeError, ValueError):
        return int(response["ResponseMetadata"]["HTTPStatusCode"])
    return None


def _status_of_code(code: object) -> int | None:
    if code in _CREDENTIAL_CODES:
        return UNAUTHORIZED
    return UNAVAILABLE if code in _TRANSIENT_CODES else None


def _answered_status(error: BaseException) -> int | None:
    """Return the status of the response that an Azure or Google client raised the error for."""
    found: object = None
    if _is(error, "azure.core.exceptions", "HttpResponseError"):
        found = getattr(error, "status_code", None)
    elif _is(error, "google.api_core.exceptions", "GoogleAPICallError"):
        found = getattr(error, "code", None)
    elif any(
        _is(error, module, "InvalidResponse")
        for module in ("google.resumable_media.common", "google.cloud.storage.exceptions")
    ):
        found = getattr(getattr(error, "response", None), "status_code", None)
    return int(found) if isinstance(found, int) else None


def _is(error: BaseException, module: str, name: str) -> bool:
    found: object = getattr(sys.modules.get(module), name, None)
    return isinstance(found, type) and isinstance(error, found)
