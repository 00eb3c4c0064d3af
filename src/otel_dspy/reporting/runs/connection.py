"""Connection to an MLflow store that is read once."""

from __future__ import annotations

from typing import Any, cast

from mlflow import MlflowClient

from otel_dspy.mlflow.tracking.requests.http_policy import no_retries
from otel_dspy.reporting.runs.run_search import check_store


def connected(tracking_uri: str) -> MlflowClient:
    """Return a client of the store, to read experiments, runs and traces.

    It sends a small request once: MLflow's client would repeat the first one for minutes if there is no server.

    Raises:
        ReportError: There is no such local store.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    check_store(tracking_uri)
    # Its registry is not read: MLflow would look for one in a Spark session, with an import that fails without pyspark
    # (see `tracking.requests.databricks`).
    client = MlflowClient(tracking_uri, registry_uri=tracking_uri)
    with no_retries(0):
        cast("Any", client).search_experiments(max_results=1)
    return client
