"""Failures of TLS: the cause in a few words, and which certificate, key or address is to be changed."""

from __future__ import annotations

import re
import ssl
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class Remedy(Enum):
    """What is to be changed."""

    AUTHORITY = "authority"
    """The authorities that the client trusts, or the name of their file."""
    VALIDITY = "validity"
    """The server's certificate, which is not valid at this time."""
    HOST = "host"
    """The address, or the server's certificate, which is for another host."""
    CLIENT = "client"
    """The file of the client's certificate and key."""
    HANDSHAKE = "handshake"
    """The client's certificate, if the server requires one: it has ended the handshake."""
    NO_TLS = "no TLS"
    """The address: the server does not use TLS."""


class TlsFailure(NamedTuple):
    """A failure of TLS.

    Attributes:
        cause: in a few words.
        remedy: what is to be changed.
        untrusted: why the server's certificate is not trusted; None where it is.
    """

    cause: str
    remedy: Remedy
    untrusted: str | None = None


WHAT_TO_DO: Final[Mapping[Remedy, str]] = {
    Remedy.AUTHORITY: "Set MLFLOW_TRACKING_SERVER_CERT_PATH to a file with the certificate of its authority.",
    Remedy.VALIDITY: "Renew the server's certificate, or correct the clock of this machine.",
    Remedy.HOST: "Set the tracking URI to a host name of the certificate, or give the server one for this name.",
    Remedy.CLIENT: "Set MLFLOW_TRACKING_CLIENT_CERT_PATH to a file with the client's certificate and its key.",
    Remedy.HANDSHAKE: (
        "If it requires a client certificate, set MLFLOW_TRACKING_CLIENT_CERT_PATH to a file with a valid one and its "
        "key; else start MLflow there."
    ),
    Remedy.NO_TLS: "Begin the tracking URI with http://.",
}
"""What to do about MLflow's server, as sentences."""

_NOT_VALID_NOW: Final = re.compile(r"has expired|not yet valid", re.IGNORECASE)
_OTHER_HOST: Final = re.compile(r"mismatch|not valid for|hostname verification", re.IGNORECASE)
"""In messages of OpenSSL, and of gRPC."""
_MISSING_FILES: Final = (
    (re.compile(r"Could not find a suitable TLS CA certificate bundle, invalid path: .*"), Remedy.AUTHORITY),
    (re.compile(r"Could not find the TLS (?:certificate|key) file, invalid path: .*"), Remedy.CLIENT),
)
"""Messages of requests (2.34, `adapters.py`)."""
_PLAIN: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
_NO_CERTIFICATES: Final = frozenset({"NO_CERTIFICATE_OR_CRL_FOUND", "NO_CERTIFICATE_FOUND"})
"""Reasons of OpenSSL."""
_CLIENT_FILE: Final = re.compile(r"PEM.lib|KEY_VALUES_MISMATCH|NO_START_LINE|BAD_DECRYPT")
_ALERT: Final = re.compile(r"\w*ALERT_\w+")
"""A message of the server that ends the handshake."""


def remedy_for_untrusted(reason: str) -> Remedy:
    """Return the remedy for a server's certificate that is not trusted.

    Args:
        reason: why, in the client's message.
    """
    if _NOT_VALID_NOW.search(reason):
        return Remedy.VALIDITY
    return Remedy.HOST if _OTHER_HOST.search(reason) else Remedy.AUTHORITY


def tls_failure(errors: Iterable[BaseException]) -> TlsFailure | None:
    """Return the failure of TLS that an error is about; None if it is not about one.

    Args:
        errors: the error, and those that it was raised from.
    """
    return next((found for error in _with_wrapped(errors) if (found := _failure(error)) is not None), None)


def _with_wrapped(errors: Iterable[BaseException]) -> Iterator[BaseException]:
    for error in errors:
        yield error
        # urllib3 does not raise its `SSLError` from the error of OpenSSL, which is its argument.
        yield from (argument for argument in error.args[:1] if isinstance(argument, ssl.SSLError))


def _failure(error: BaseException) -> TlsFailure | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message
        return TlsFailure(f"the server's certificate is not trusted: {reason}", remedy_for_untrusted(reason), reason)
    if isinstance(error, ssl.SSLError):
        return _handshake_failure(error)
    if isinstance(error, OSError):
        for pattern, remedy in _MISSING_FILES:
            if (found := pattern.search(str(error))) is not None:
                return TlsFailure(found[0], remedy)
    return None


def _handshake_failure(error: ssl.SSLError) -> TlsFailure | None:
    reason, text = str(getattr(error, "reason", None) or ""), str(error)
    if reason in _PLAIN:
        return TlsFailure("the server does not use TLS", Remedy.NO_TLS)
    if reason in _NO_CERTIFICATES:
        return TlsFailure("the file of trusted certificates contains none", Remedy.AUTHORITY)
    if _CLIENT_FILE.search(text):
        return TlsFailure("the file of the client's certificate lacks it or its key", Remedy.CLIENT)
    alert = _ALERT.search(reason)
    if alert is None and not isinstance(error, ssl.SSLEOFError):
        return None
    named = "" if alert is None else f" ({alert[0].replace('_', ' ').lower()})"
    return TlsFailure(f"the server has ended the TLS handshake{named}", Remedy.HANDSHAKE)
