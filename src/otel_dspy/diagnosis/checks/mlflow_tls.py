"""Problems of an MLflow server to which MLflow's client gets no connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.diagnosis.finding import LONGEST_REASON
from otel_dspy.mlflow.tracking.requests.tls_errors import WHAT_TO_DO, Remedy

if TYPE_CHECKING:
    from otel_dspy.mlflow.tracking.requests.tls_errors import TlsFailure

_SERVER_CERTIFICATE: Final = "MLFLOW_TRACKING_SERVER_CERT_PATH"
_CLIENT_CERTIFICATE: Final = "MLFLOW_TRACKING_CLIENT_CERT_PATH"


def tls_problem(failure: TlsFailure, shown: str) -> str:
    """Return what fails and what to do about it.

    Args:
        failure: the failure.
        shown: the server's address without passwords.
    """
    does, why = "cannot use TLS with", failure.cause
    if failure.untrusted is not None:
        does, why = "does not trust the certificate of", failure.untrusted.removesuffix(".")
    if failure.remedy is Remedy.AUTHORITY:
        remedy = f"{_SERVER_CERTIFICATE} must name a file with the certificate of its authority"
    else:
        sentence = WHAT_TO_DO[failure.remedy].removesuffix(".")
        remedy = f"{sentence[0].lower()}{sentence[1:]}"
    return f"MLflow's client {does} {shown} ({why}): {remedy}"


def no_answer(error: Exception, shown: str) -> str:
    """Return why MLflow's client gets no answer, where the health check, which has no client certificate, failed too.

    Args:
        error: the error of MLflow's client.
        shown: the server's address without passwords.
    """
    from otel_dspy.mlflow.tracking.requests.error_cause import (  # noqa: PLC0415 - it imports requests
        connection_was_closed,
        error_cause,
    )

    text = f"MLflow's client gets no answer from {shown}: {error_cause(error, LONGEST_REASON)}"
    if shown.lower().startswith("https:") and connection_was_closed(error):
        text += f". If it requires a client certificate, set {_CLIENT_CERTIFICATE} to a file with it and its key"
    return text
