"""Answer to a request of a client, independent of the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

RETRY_AFTER: Final = 2
"""Retry delay in seconds that the bridge sends to clients."""


class RequestStatus(Enum):
    """Outcome of a request. Values are labels of `otel_dspy_bridge_requests_total`."""

    TAKEN = "taken"
    """MLflow, or the queue on disk, has all valid spans of the request."""
    MALFORMED = "malformed"
    TOO_LARGE = "too large"
    LATER = "later"
    """Retryable: the client should send the request again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Response to a client, independent of the protocol.

    Attributes:
        status: outcome of the request.
        rejected: number of rejected spans.
        message: reason for a human reader; empty if everything was accepted.
        unmapped: (trace id, span id) of spans whose mapping raised; `rejected` counts them if the status is TAKEN.
    """

    status: RequestStatus
    rejected: int = 0
    message: str = ""
    unmapped: frozenset[tuple[str, str]] = frozenset()
