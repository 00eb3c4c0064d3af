"""Capabilities of the installed MLflow, detected by name rather than by version."""

from __future__ import annotations

import inspect
import logging
import sys
from typing import Any, Final, cast

from mlflow import __version__ as mlflow_version
from mlflow import entities, environment_variables
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.tracing.constant import TraceTagKey

from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.mlflow.tracking.store import server_artifacts

_logger = logging.getLogger(__name__)

TRACES: Final = (
    hasattr(AbstractStore, "log_spans")
    and hasattr(entities, "TraceLocation")
    and hasattr(TraceTagKey, "SPANS_LOCATION")
)
"""Spans and trace infos, which MLflow 3.6 added. MLflow 3.5 stores spans but reads traces from artifacts only."""
MODELS: Final = TRACES and hasattr(AbstractStore, "create_logged_model")
"""Models as outputs of a run, which are logged with the same entities as traces."""
MODEL_METRICS: Final = MODELS and "model_id" in inspect.signature(entities.Metric).parameters
"""Metrics of models, by which MLflow ranks them."""
EVALUATION_DATASETS: Final = hasattr(AbstractStore, "upsert_dataset_records") and hasattr(
    AbstractStore, "add_dataset_to_experiments"
)
"""Evaluation datasets, which MLflow 3.5 has; stores in files lack them (see `evaluation_dataset_store`)."""
SUMS_IN_INFOS: Final = is_installed("mlflow.store.tracking.utils.trace_analytics")
"""Sums in a trace's info, which a store on a database then keeps (3.17)."""
_EXTRACT_ATTACHMENTS: Final[Any] = getattr(environment_variables, "MLFLOW_TRACE_EXTRACT_ATTACHMENTS", None)
_STORE_BY_URI: Final = "tracking_uri" in inspect.signature(cast("Any", get_artifact_repository)).parameters


def report_missing() -> None:
    """Log once which data the installed MLflow does not support, if any."""
    lacking = [name for name, able in (("traces", TRACES), ("logged models", MODELS)) if not able]
    if lacking:
        _logger.warning(
            "MLflow %s does not support %s: they are not logged. Runs, metrics, datasets and artifacts are.",
            mlflow_version,
            " and ".join(lacking),
        )


def trace_attachments() -> bool:
    """Return whether MLflow shows images of a trace from files, and `MLFLOW_TRACE_EXTRACT_ATTACHMENTS` allows it."""
    return TRACES and _EXTRACT_ATTACHMENTS is not None and bool(_EXTRACT_ATTACHMENTS.get())


def artifact_repository(artifact_uri: str, tracking_uri: str) -> Any:  # noqa: ANN401 - MLflow types it in part
    """Return the repository that reads and writes below an artifact URI of that tracking store."""
    artifact_uri = server_artifacts.direct(artifact_uri)
    if _STORE_BY_URI:
        return cast("Any", get_artifact_repository)(artifact_uri, tracking_uri=tracking_uri)
    if artifact_uri.startswith("mlflow-artifacts:"):
        from mlflow.store.artifact.mlflow_artifacts_repo import (  # noqa: PLC0415 - only where it must be resolved here
            MlflowArtifactsRepository,
        )

        # It would request the server of MLflow's own tracking URI.
        artifact_uri = str(cast("Any", MlflowArtifactsRepository).resolve_uri(artifact_uri, tracking_uri))
    return cast("Any", get_artifact_repository)(artifact_uri)


def forget_clients() -> None:
    """Discard the clients of object stores that MLflow caches: new ones reload their credentials."""
    cached: Any = getattr(sys.modules.get("mlflow.store.artifact.s3_artifact_repo"), "_cached_get_s3_client", None)
    if hasattr(cached, "cache_clear"):
        cached.cache_clear()
