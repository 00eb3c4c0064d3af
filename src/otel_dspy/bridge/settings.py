"""Settings of the bridge. Flags take precedence over environment variables, and those over defaults."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge import certificates
from otel_dspy.bridge.access import is_loopback
from otel_dspy.bridge.durable_queue.folder import default_folder
from otel_dspy.bridge.setting_error import BridgeSettingError
from otel_dspy.quantities import number_of_bytes, number_of_seconds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

PREFIX: Final = "OTEL_DSPY_BRIDGE_"
TOKEN_VARIABLE: Final = f"{PREFIX}TOKEN"
"""Environment variable of the bearer token. There is no flag, since all users of a machine can read command lines."""
MEBIBYTE: Final = 1024 * 1024
HIGHEST_PORT: Final = 65_535
HIGHEST: Final = 2**31 - 1
"""Largest integer that gRPC accepts as an option."""


@dataclass(frozen=True, slots=True)
class Address:
    """Address to listen on.

    Attributes:
        host: host name or IP address.
        port: port; 0 for any free one.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, flag: str) -> Address:
        """Parse `HOST:PORT`.

        Raises:
            BridgeSettingError: the text is not `HOST:PORT`.
        """
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or int(port) > HIGHEST_PORT:
            raise BridgeSettingError(f"{flag}: {text!r} is not HOST:PORT")
        return cls(host, int(port))

    def __str__(self) -> str:
        """Return `HOST:PORT`."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS files in PEM format.

    Attributes:
        certificate: certificate of the bridge, with intermediate certificates.
        key: key of the certificate.
        client_authority: CA certificate for client certificates; None if clients need none.
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None


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
                    f"{address} is reachable from other machines: set {TOKEN_VARIABLE}, --token-file or "
                    "--tls-client-ca, or --allow-anonymous if a proxy or firewall protects it"
                )


FLAGS: Final = (
    # flag, metavar (None for a switch), default, meaning
    ("tracking-uri", "URI", None, "MLflow tracking URI to write to (or MLFLOW_TRACKING_URI)"),
    ("experiment", "NAME", "Default", "experiment of spans that name none"),
    ("experiment-by-service", None, None, "use `service.name` as the experiment if nothing else names one"),
    ("workspace", "NAME", None, "MLflow workspace of spans that name none (or MLFLOW_WORKSPACE)"),
    ("http", "HOST:PORT", "127.0.0.1:4318", "address to listen on for OTLP/HTTP; `off` disables it"),
    ("grpc", "HOST:PORT", "127.0.0.1:4317", "address to listen on for OTLP/gRPC; `off` disables it"),
    ("token-file", "FILE", None, f"file with the bearer token that clients must send (or {TOKEN_VARIABLE})"),
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
        "folder of the queue on disk; `none` to do without (default: bridge/GRPC-HTTP, the ports, beside the spool)",
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


def variable(flag: str) -> str:
    """Return the environment variable of a flag."""
    return PREFIX + flag.upper().replace("-", "_")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the settings."""
    for flag, metavar, default, meaning in FLAGS:
        text = f"{meaning} [{variable(flag)}]" + (f" (default: {default})" if default else "")
        if metavar is None:
            parser.add_argument(f"--{flag}", action="store_true", default=None, help=text)
        else:
            parser.add_argument(f"--{flag}", metavar=metavar, help=text)


def resolve(chosen: Mapping[str, object], environment: Mapping[str, str] | None = None) -> BridgeSettings:
    """Resolve settings from flags and environment variables.

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
        values[name] = str(chosen.get(name) or given.get(variable(flag), "").strip() or default or "")
    tracking_uri = values["tracking_uri"] or given.get("MLFLOW_TRACKING_URI", "")
    if not tracking_uri:
        raise BridgeSettingError("no MLflow tracking URI: set --tracking-uri or MLFLOW_TRACKING_URI")
    http, grpc = _address(values["http"], "--http"), _address(values["grpc"], "--grpc")
    return BridgeSettings(
        tracking_uri=tracking_uri,
        experiment=values["experiment"],
        experiment_by_service=_switch(values["experiment_by_service"], "experiment-by-service"),
        workspace=values["workspace"] or given.get("MLFLOW_WORKSPACE", "").strip() or None,
        http=http,
        grpc=grpc,
        token=_token(values["token_file"], given),
        tls=_tls(values["tls_cert"], values["tls_key"], values["tls_client_ca"]),
        allow_anonymous=_switch(values["allow_anonymous"], "allow-anonymous"),
        max_request_bytes=_bytes(values["max_request_bytes"], "max-request-bytes", HIGHEST),
        max_waiting_bytes=_bytes(values["max_waiting_bytes"], "max-waiting-bytes", sys.maxsize),
        max_connections=_whole(values["max_connections"], "max-connections", HIGHEST),
        patience=_seconds(values["patience"], "patience"),
        queue=_queue(values["queue"], grpc, http),
        max_queue_bytes=_bytes(values["max_queue_bytes"], "max-queue-bytes", sys.maxsize),
        drain_timeout=_seconds(values["drain_timeout"], "drain-timeout"),
    )


def _address(text: str, flag: str) -> Address | None:
    return None if text == "off" else Address.parse(text, flag)


def _queue(text: str, grpc: Address | None, http: Address | None) -> Path | None:
    if text == "none":
        return None
    return Path(text) if text else default_folder(*(address and address.port for address in (grpc, http)))


def _switch(text: str, flag: str) -> bool:
    if text.lower() in {"true", "1", "yes", "on"}:
        return True
    if text.lower() in {"", "false", "0", "no", "off"}:
        return False
    raise BridgeSettingError(f"{variable(flag)}: {text!r} is not a boolean: use true or false")


def _seconds(text: str, flag: str) -> float:
    try:
        value = number_of_seconds(text)
    except ValueError as error:
        raise BridgeSettingError(f"--{flag}: {error}") from None
    if value == 0:
        raise BridgeSettingError(f"--{flag}: {text!r} is not a number of seconds above 0")
    return value


def _bytes(text: str, flag: str, highest: int) -> int:
    try:
        value = number_of_bytes(text)
    except ValueError as error:
        raise BridgeSettingError(f"--{flag}: {error}") from None
    return _in_range(value, text, flag, highest)


def _whole(text: str, flag: str, highest: int) -> int:
    return _in_range(int(text) if text.isdecimal() else 0, text, flag, highest)


def _in_range(value: int, text: str, flag: str, highest: int) -> int:
    if not 1 <= value <= highest:
        raise BridgeSettingError(f"--{flag}: {text!r} is not a whole number from 1 to {highest}")
    return value


def _token(file: str, environment: Mapping[str, str]) -> str | None:
    if file:
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BridgeSettingError(f"--token-file: {file} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise BridgeSettingError(f"--token-file: {file} is not UTF-8 text") from error
        if not text:
            raise BridgeSettingError(f"--token-file: {file} is empty")
        return text
    return environment.get(TOKEN_VARIABLE, "").strip() or None


def _tls(certificate: str, key: str, authority: str) -> Tls | None:
    if not certificate and not key:
        if authority:
            raise BridgeSettingError("--tls-client-ca needs --tls-cert and --tls-key")
        return None
    if not certificate or not key:
        raise BridgeSettingError("--tls-cert and --tls-key must be set together")
    found = Tls(Path(certificate), Path(key), Path(authority) if authority else None)
    certificates.check(found.certificate, found.key, found.client_authority)
    return found
