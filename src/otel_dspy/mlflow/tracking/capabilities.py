"""What the installed MLflow can take, looked for by name and never told from its version."""

from __future__ import annotations

import inspect
import logging
import sys
from typing import Any, Final, cast

from mlflow import __version__ as mlflow_version
from mlflow import entities
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.tracing.constant import TraceTagKey

_logger = logging.getLogger(__name__)

TRACES: Final = (
    hasattr(AbstractStore, "log_spans")
    and hasattr(entities, "TraceLocation")
    and hasattr(TraceTagKey, "SPANS_LOCATION")
)
"""Spans and trace heads, as MLflow 3.6 has them. MLflow 3.5 stores spans but reads traces from artifacts only."""
MODELS: Final = TRACES and hasattr(AbstractStore, "create_logged_model")
"""Models as outputs of a run, which are written with the entities that traces need."""
_STORE_BY_URI: Final = "tracking_uri" in inspect.signature(cast("Any", get_artifact_repository)).parameters


def report_missing() -> None:
    """Tell in one line what is left out for this MLflow, if anything."""
    lacking = [name for name, able in (("traces", TRACES), ("logged models", MODELS)) if not able]
    if lacking:
        _logger.warning(
            "MLflow %s takes no %s of ours: runs, metrics, datasets and artifacts are recorded, those are not",
            mlflow_version,
            " and no ".join(lacking),
        )


def artifact_repository(artifact_uri: str, tracking_uri: str) -> Any:  # noqa: ANN401 - MLflow types it in part
    """What reads and writes below an artifact URI of that tracking store."""
    if _STORE_BY_URI:
        return cast("Any", get_artifact_repository)(artifact_uri, tracking_uri=tracking_uri)
    if artifact_uri.startswith("mlflow-artifacts:"):
        from mlflow.store.artifact.mlflow_artifacts_repo import (  # noqa: PLC0415 - only where it must be resolved here
            MlflowArtifactsRepository,
        )

        # It would ask the server that MLflow itself was told of.
        artifact_uri = str(cast("Any", MlflowArtifactsRepository).resolve_uri(artifact_uri, tracking_uri))
    return cast("Any", get_artifact_repository)(artifact_uri)


def forget_clients() -> None:
    """Drop the clients of object stores that MLflow caches: a new one looks for credentials again."""
    cached: Any = getattr(sys.modules.get("mlflow.store.artifact.s3_artifact_repo"), "_cached_get_s3_client", None)
    if hasattr(cached, "cache_clear"):
        cached.cache_clear()
