"""Settings of the bridge. Flags take precedence over environment variables, and those over defaults."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.configuration import setting_parsers
from otel_dspy.bridge.configuration.access_control import is_loopback
from otel_dspy.bridge.configuration.setting_definitions import FLAGS, MEBIBYTE
from otel_dspy.bridge.configuration.setting_error import BridgeSettingError
from otel_dspy.environment.variable_names import BRIDGE_TOKEN, of_bridge_flag

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from otel_dspy.bridge.configuration.listen_addresses import Address, Tls

HIGHEST: Final = 2**31 - 1
"""Largest integer that gRPC accepts as an option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSettings:
    """Settings of a bridge.

    Attributes:
        tracking_uri: MLflow's tracking URI.
        experiment: experiment of spans that name none.
        experiment_by_service: whether `service.name` is used as the experiment if nothing else names one.
        workspace: MLflow workspace of spans that name none; None for the one of MLflow's environment.
        http: address of OTLP/HTTP; None to disable it.
        grpc: address of OTLP/gRPC; None to disable it.
        token: bearer token that clients must send.
        tls: TLS files; None for plain text.
        allow_anonymous: listen on other addresses than loopback without a token or client certificates.
        max_request_bytes: maximum size of a request in bytes, compressed and uncompressed.
        max_waiting_bytes: maximum size of requests in memory in bytes; beyond it clients are asked to retry, or with a
            queue on disk no more requests are read from it.
        max_connections: maximum number of HTTP connections, and of gRPC connections; further ones are rejected.
        patience: seconds that a request waits for the queue on disk, or for MLflow without one, before the client is
            asked to retry. Less than the 10 s that OpenTelemetry's exporters wait for a response.
        queue: folder of the queue on disk; None to acknowledge requests when MLflow has stored them.
        max_queue_bytes: maximum size of the queue on disk in bytes; beyond it clients are asked to retry.
        drain_timeout: seconds that requests in progress may take when the bridge stops. Less than the 30 s that
            Kubernetes waits between SIGTERM and SIGKILL.
    """

    tracking_uri: str
    experiment: str = "Default"
    experiment_by_service: bool = False
    workspace: str | None = None
    http: Address | None = None
    grpc: Address | None = None
    token: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    allow_anonymous: bool = False
    max_request_bytes: int = 20 * MEBIBYTE
    max_waiting_bytes: int = 64 * MEBIBYTE
    max_connections: int = 500
    patience: float = 8.0
    queue: Path | None = None
    max_queue_bytes: int = 1024 * MEBIBYTE
    drain_timeout: float = 10.0

    def __post_init__(self) -> None:
        """Reject unsafe or contradictory settings.

        Raises:
            BridgeSettingError: a setting is unsafe, or no address is set.
        """
        if self.http is None and self.grpc is None:
            raise BridgeSettingError("no address to listen on: set --http or --grpc")
        known = self.token is not None or (self.tls is not None and self.tls.client_authority is not None)
        for address in (self.http, self.grpc):
            if address is not None and not (known or self.allow_anonymous or is_loopback(address.host)):
                raise BridgeSettingError(
                    f"{address} is reachable from other machines: set {BRIDGE_TOKEN}, --token-file or "
                    "--tls-client-ca, or --allow-anonymous if a proxy or firewall protects it"
                )


def resolve(chosen: Mapping[str, object], environment: Mapping[str, str] | None = None) -> BridgeSettings:
    """Resolve settings from flags and environment variables.

    The tracking URI may be missing, and is then empty, where only a Collector's configuration is printed.

    Args:
        chosen: values by flag name with underscores: text, True for a switch, None if not given.
        environment: environment variables; defaults to `os.environ`.

    Raises:
        BridgeSettingError: a setting is invalid.
    """
    given = os.environ if environment is None else environment
    values: dict[str, str] = {}
    for flag, _, default, _ in FLAGS:
        name = flag.replace("-", "_")
        values[name] = str(chosen.get(name) or given.get(of_bridge_flag(flag), "").strip() or default or "")
    tracking_uri = values["tracking_uri"] or given.get("MLFLOW_TRACKING_URI", "")
    if not tracking_uri and not chosen.get("print_collector_config"):
        raise BridgeSettingError("no MLflow tracking URI: set --tracking-uri or MLFLOW_TRACKING_URI")
    http, grpc = setting_parsers.address(values["http"], "--http"), setting_parsers.address(values["grpc"], "--grpc")
    return BridgeSettings(
        tracking_uri=tracking_uri,
        experiment=values["experiment"],
        experiment_by_service=setting_parsers.switch(values["experiment_by_service"], "experiment-by-service"),
        workspace=values["workspace"] or given.get("MLFLOW_WORKSPACE", "").strip() or None,
        http=http,
        grpc=grpc,
        token=setting_parsers.token(values["token_file"], given),
        tls=setting_parsers.tls(values["tls_cert"], values["tls_key"], values["tls_client_ca"]),
        allow_anonymous=setting_parsers.switch(values["allow_anonymous"], "allow-anonymous"),
        max_request_bytes=setting_parsers.size(values["max_request_bytes"], "max-request-bytes", HIGHEST),
        max_waiting_bytes=setting_parsers.size(values["max_waiting_bytes"], "max-waiting-bytes", sys.maxsize),
        max_connections=setting_parsers.number(values["max_connections"], "max-connections", HIGHEST),
        patience=setting_parsers.seconds(values["patience"], "patience"),
        queue=setting_parsers.queue_folder(values["queue"], grpc, http),
        max_queue_bytes=setting_parsers.size(values["max_queue_bytes"], "max-queue-bytes", sys.maxsize),
        drain_timeout=setting_parsers.seconds(values["drain_timeout"], "drain-timeout"),
    )
