"""Requests as the queue stores them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.bridge.pending_request import PendingRequest

OVERHEAD: Final = 256
"""Bytes that are added to the size of a request's body, so that many small requests are bounded too."""


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request to store.

    Attributes:
        request: the request.
        received: when it was received, in seconds since the epoch.
    """

    request: PendingRequest
    received: float

    @property
    def size(self) -> int:
        """Bytes that it counts."""
        return len(self.request.body) + OVERHEAD


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """A stored request.

    Attributes:
        id: position in the order of arrival.
        size: bytes that it counts.
        request: the request.
    """

    id: int
    size: int
    request: PendingRequest


def routing_text(request: PendingRequest) -> str:
    """Return the headers and settings to store with the body: settings may change before the request is written."""
    experiments = request.experiments
    return json.dumps(
        {
            "json": request.json,
            "spans": len(request),
            "experiment": request.experiment,
            "workspace": request.workspace,
            "default_experiment": experiments.default,
            "by_service": experiments.by_service,
            "default_workspace": experiments.workspace,
        }
    )


def pending_request(routing: str, body: bytes, tracking_uri: str) -> PendingRequest:
    """Return the request of a stored body.

    Args:
        routing: the result of `routing_text`.
        body: the request's body.
        tracking_uri: MLflow that it is written to.
    """
    stored: dict[str, Any] = json.loads(routing)
    experiments = ExperimentRouter(
        tracking_uri, stored["default_experiment"], stored["by_service"], stored["default_workspace"]
    )
    request = PendingRequest(body, stored["json"], stored["experiment"], stored["workspace"], experiments)
    request.count = stored["spans"]
    return request
