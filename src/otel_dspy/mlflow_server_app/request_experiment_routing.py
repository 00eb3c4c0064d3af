"""Choice of the experiment and workspace of a span that MLflow's server receives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from mlflow.exceptions import MlflowException

from otel_dspy.bridge.experiment_routing import WORKSPACE_ATTRIBUTE, ExperimentRouter
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.requests import database_errors, workspaces
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.otlp_requests.span_route import UnusableError

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span import Attributes


_NO_EXPERIMENT: Final = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's error codes for an unknown id, and for one that is not a number."""


@dataclass(frozen=True, slots=True)
class RequestExperimentRouter(ExperimentRouter):
    """Destination of a span on the server's own store.

    MLflow's header has precedence over the resource, because MLflow checks permissions on what the header names. The
    workspace is that of the request, so `workspace` is not used.
    """

    def destination(
        self, resource: Attributes, experiment_header: str | None, workspace_header: str | None = None
    ) -> Destination:
        """Return the destination of a span.

        Args:
            resource: resource attributes of the span.
            experiment_header: id of an experiment, the value of MLflow's header.
            workspace_header: workspace of the request, as MLflow's server has resolved it.

        Raises:
            UnusableError: the resource names another workspace than the request.
        """
        named = resource.get(WORKSPACE_ATTRIBUTE)
        if named and not (isinstance(named, str) and workspaces.same(named, workspace_header)):
            # Another workspace's members may not be allowed to read these spans, and this one's to write there.
            raise UnusableError(f"{WORKSPACE_ATTRIBUTE} is not the workspace of the request")
        if experiment_header:
            return Destination(self.tracking_uri, Experiment(id=experiment_header), workspace_header)
        others = {name: value for name, value in resource.items() if name != WORKSPACE_ATTRIBUTE}
        found = ExperimentRouter.destination(self, others, None)
        return replace(found, workspace=workspace_header)

    def lacks(self, experiment_id: str) -> bool:
        """Return whether the store answers that it has no such experiment; False if it does not answer.

        Args:
            experiment_id: value of MLflow's header.
        """
        try:
            Store(self.tracking_uri).ping(experiment_id)
        except MlflowException as error:
            return error.error_code in _NO_EXPERIMENT or database_errors.is_unstorable_value(error)
        return False

    def named_id(self, resource: Attributes) -> str:
        """Return the id of the experiment of spans that arrive without MLflow's header; create it if it is missing.

        Args:
            resource: resource attributes of the spans.
        """
        own = {name: value for name, value in resource.items() if name != WORKSPACE_ATTRIBUTE}
        return Store(self.tracking_uri).experiment_id(self.destination(own, None).experiment.name or self.default)
