"""Choice of the experiment and workspace of received spans."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.otlp_requests.span_route import CONTROL, UnusableError

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span import Attributes

EXPERIMENT_ATTRIBUTE: Final = "mlflow.experiment.name"
"""Resource attribute that names the experiment."""
EXPERIMENT_HEADER: Final = "x-mlflow-experiment-name"
WORKSPACE_ATTRIBUTE: Final = "mlflow.workspace.name"
"""Resource attribute that names the MLflow workspace."""
WORKSPACE_HEADER: Final = "x-mlflow-workspace"
"""MLflow's own header."""
SERVICE: Final = "service.name"

MAX_EXPERIMENT: Final = 250
"""Maximum length of an experiment's name in characters."""
_WORKSPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
"""MLflow's rule for workspace names, which are sent in a header."""


@dataclass(frozen=True, slots=True)
class ExperimentRouter:
    """Choice of the experiment and workspace of a span.

    Attributes:
        tracking_uri: MLflow's tracking URI.
        default: experiment of spans that name none.
        by_service: whether `service.name` is used as the experiment if nothing else names one.
        workspace: MLflow workspace of spans that name none; None for MLflow's default.
    """

    tracking_uri: str
    default: str = "Default"
    by_service: bool = False
    workspace: str | None = None

    def destination(
        self, resource: Attributes, experiment_header: str | None, workspace_header: str | None = None
    ) -> Destination:
        """Return the destination of a span.

        The experiment comes from the resource, else the request's header, else the service if `by_service` is set, else
        the default. The workspace comes from the same sources except the service.

        Args:
            resource: resource attributes of the span.
            experiment_header: value of the experiment header.
            workspace_header: value of the workspace header.

        Raises:
            UnusableError: the workspace name is invalid.
        """
        workspace = self._workspace(resource.get(WORKSPACE_ATTRIBUTE), workspace_header)
        service = resource.get(SERVICE) if self.by_service else None
        for name in (resource.get(EXPERIMENT_ATTRIBUTE), experiment_header, service):
            if isinstance(name, str) and (clean := experiment_name(name)):
                return Destination(self.tracking_uri, Experiment(name=clean), workspace)
        return Destination(self.tracking_uri, Experiment(name=self.default), workspace)

    def _workspace(self, attribute: object, header: str | None) -> str | None:
        for source, name in ((WORKSPACE_ATTRIBUTE, attribute), (WORKSPACE_HEADER, header)):
            if name is None or name == "":
                continue
            if not isinstance(name, str) or _WORKSPACE.fullmatch(name) is None:
                # No fallback to another workspace: its members may not be allowed to read these spans.
                raise UnusableError(f"{source} is not a valid workspace name")
            return name
        return self.workspace


def experiment_name(name: str) -> str:
    """Clean an experiment name: one line of at most `MAX_EXPERIMENT` characters; empty if nothing is left."""
    return CONTROL.sub(" ", name).strip()[:MAX_EXPERIMENT].strip()
