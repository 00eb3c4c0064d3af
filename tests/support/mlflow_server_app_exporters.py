"""OTLP exporters that send to `mlflow server --app-name otel-dspy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from tests.support.bridges import PATIENCE

if TYPE_CHECKING:
    from tests.support.mlflow_server import MlflowServer


def app_exporter(server: MlflowServer, experiment_id: str) -> OTLPSpanExporter:
    """OpenTelemetry's own exporter, compressed, with the header that MLflow's endpoint wants.

    Each request has a connection of its own, so that any of the server's workers may receive it. The exporter retries what is answered with 503, for up to `PATIENCE` seconds.
    """
    return OTLPSpanExporter(
        f"{server.uri}/v1/traces",
        headers={"x-mlflow-experiment-id": experiment_id, "connection": "close"},
        timeout=PATIENCE,
        compression=Compression.Gzip,
    )
