"""Command-line flags of the bridge, and their environment variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.command_line.arguments import given_text
from otel_dspy.environment.variable_names import BRIDGE_TOKEN, of_bridge_flag

if TYPE_CHECKING:
    import argparse

MEBIBYTE: Final = 1024 * 1024

FLAGS: Final = (
    # flag, metavar (None for a switch), default, meaning
    ("tracking-uri", "URI", None, "MLflow tracking URI to write to (or MLFLOW_TRACKING_URI)"),
    ("experiment", "NAME", "Default", "experiment for spans that do not name one"),
    ("experiment-by-service", None, None, "use `service.name` as the experiment for spans that do not name one"),
    ("workspace", "NAME", None, "MLflow workspace for spans that do not name one (or MLFLOW_WORKSPACE)"),
    ("http", "HOST:PORT", "127.0.0.1:4318", "address to listen on for OTLP/HTTP; `off` disables it"),
    ("grpc", "HOST:PORT", "127.0.0.1:4317", "address to listen on for OTLP/gRPC; `off` disables it"),
    ("token-file", "FILE", None, f"file with the bearer token that clients must send (or {BRIDGE_TOKEN})"),
    ("tls-cert", "FILE", None, "TLS certificate of the bridge (PEM)"),
    ("tls-key", "FILE", None, "key of the TLS certificate (PEM)"),
    ("tls-client-ca", "FILE", None, "CA (PEM) that must have signed the certificates of clients"),
    ("allow-anonymous", None, None, "listen on other addresses than loopback without a token or client certificates"),
    ("max-request-bytes", "BYTES", str(20 * MEBIBYTE), "maximum size of a request, compressed and uncompressed"),
    (
        "max-waiting-bytes",
        "BYTES",
        str(64 * MEBIBYTE),
        "maximum size of requests in memory",
    ),
    (
        "queue",
        "DIR",
        None,
        "folder of the queue on disk; `none` disables it (default: next to the spool, bridge/GRPC_PORT-HTTP_PORT)",
    ),
    (
        "max-queue-bytes",
        "BYTES",
        str(1024 * MEBIBYTE),
        "maximum size of the queue on disk; beyond it clients are asked to retry",
    ),
    ("max-connections", "NUMBER", "500", "maximum number of HTTP connections, and of gRPC connections"),
    ("patience", "SECONDS", "8", "how long a request waits to be acknowledged before the client is asked to retry"),
    ("drain-timeout", "SECONDS", "10", "how long requests in progress may take after SIGTERM or Ctrl-C"),
)
"""Command-line flags. The environment variable of a flag is `OTEL_DSPY_BRIDGE_` and the flag in capitals."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the settings."""
    for flag, metavar, default, meaning in FLAGS:
        text = f"{meaning} [{of_bridge_flag(flag)}]" + (f" (default: {default})" if default else "")
        if metavar is None:
            parser.add_argument(f"--{flag}", action="store_true", default=None, help=text)
        else:
            parser.add_argument(f"--{flag}", metavar=metavar, type=given_text, help=text)
