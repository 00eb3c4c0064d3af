"""Settings of the bridge: flags first, environment second, defaults last."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge import certificates
from otel_dspy.bridge.access import is_loopback
from otel_dspy.bridge.setting_error import BridgeSettingError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

PREFIX: Final = "OTEL_DSPY_BRIDGE_"
TOKEN_VARIABLE: Final = f"{PREFIX}TOKEN"
"""The bearer token itself: as a flag every user of the machine could read it."""
MEBIBYTE: Final = 1024 * 1024
HIGHEST_PORT: Final = 65_535
HIGHEST: Final = 2**31 - 1
"""What gRPC takes as a number."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen.

    Attributes:
        host: name or address.
        port: 0 for any free one.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, flag: str) -> Address:
        """Read `HOST:PORT`.

        Raises:
            BridgeSettingError: it is none.
        """
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or int(port) > HIGHEST_PORT:
            raise BridgeSettingError(f"{flag}: {text!r} is not HOST:PORT")
        return cls(host, int(port))

    def __str__(self) -> str:
        """`HOST:PORT`."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM form.

    Attributes:
        certificate: the bridge's own, with what lies between it and the authority.
        key: of the certificate.
        client_authority: signs the certificates that clients must show; None if they need none.
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSettings:
    """What a bridge does.

    Attributes:
        tracking_uri: MLflow's.
        experiment: of spans that name none.
        experiment_by_service: whether `service.name` names it where nothing else does.
        workspace: MLflow workspace of spans that name none; None for the one of MLflow's environment.
        http: where to listen for OTLP/HTTP; None if not.
        grpc: the same for OTLP/gRPC.
        token: bearer token that clients must show.
        tls: certificates; None for plain text.
        allow_anonymous: listen on other addresses than loopback although clients show neither token nor certificate.
        max_request_bytes: bytes that a request may have, as it comes and unzipped.
        max_waiting_bytes: bytes of requests that wait for MLflow; beyond it clients are asked to come again.
        max_connections: HTTP connections at once, and the same of gRPC; further ones are sent away.
        patience: seconds that a request waits for MLflow before its client is asked to come again. Less than the 10 s
            that OpenTelemetry's exporters wait for an answer.
        drain_timeout: seconds that requests in progress may take when the bridge is stopped. Less than the 30 s that
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
    drain_timeout: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what would be unsafe or of no use.

        Raises:
            BridgeSettingError: it is.
        """
        if self.http is None and self.grpc is None:
            raise BridgeSettingError("there is nothing to listen on: give --http or --grpc")
        known = self.token is not None or (self.tls is not None and self.tls.client_authority is not None)
        for address in (self.http, self.grpc):
            if address is not None and not (known or self.allow_anonymous or is_loopback(address.host)):
                raise BridgeSettingError(
                    f"{address} can be reached by others: set {TOKEN_VARIABLE}, --token-file or --tls-client-ca, "
                    "or say --allow-anonymous if something else guards it"
                )


FLAGS: Final = (
    # flag, metavar (None for a switch), default, meaning
    ("tracking-uri", "URI", None, "MLflow to write to (MLFLOW_TRACKING_URI does as well)"),
    ("experiment", "NAME", "Default", "experiment of spans that name none"),
    ("experiment-by-service", None, None, "name the experiment after `service.name` where nothing else names it"),
    ("workspace", "NAME", None, "MLflow workspace of spans that name none (MLFLOW_WORKSPACE does as well)"),
    ("http", "HOST:PORT", "127.0.0.1:4318", "where to listen for OTLP/HTTP; `off` for not at all"),
    ("grpc", "HOST:PORT", "127.0.0.1:4317", "where to listen for OTLP/gRPC; `off` for not at all"),
    ("token-file", "FILE", None, f"file with the bearer token that clients must show (or {TOKEN_VARIABLE})"),
    ("tls-cert", "FILE", None, "certificate (PEM)"),
    ("tls-key", "FILE", None, "its key (PEM)"),
    ("tls-client-ca", "FILE", None, "authority whose certificates clients must show (PEM)"),
    ("allow-anonymous", None, None, "listen on other addresses than loopback without token or client certificates"),
    ("max-request-bytes", "BYTES", str(20 * MEBIBYTE), "largest request, as it comes and unzipped"),
    ("max-waiting-bytes", "BYTES", str(64 * MEBIBYTE), "requests in memory beyond which clients must wait"),
    ("max-connections", "NUMBER", "500", "connections at once by HTTP, and as many by gRPC"),
    ("patience", "SECONDS", "8", "how long a request waits for MLflow before its client is told to come again"),
    ("drain-timeout", "SECONDS", "10", "how long requests in progress may take after SIGTERM or Ctrl-C"),
)
"""Each has an environment variable: `OTEL_DSPY_BRIDGE_` and its name in capitals."""


def variable(flag: str) -> str:
    """The environment variable of a flag."""
    return PREFIX + flag.upper().replace("-", "_")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    for flag, metavar, default, meaning in FLAGS:
        text = f"{meaning} [{variable(flag)}]" + (f" (default: {default})" if default else "")
        if metavar is None:
            parser.add_argument(f"--{flag}", action="store_true", default=None, help=text)
        else:
            parser.add_argument(f"--{flag}", metavar=metavar, help=text)


def resolve(chosen: Mapping[str, object], environment: Mapping[str, str] | None = None) -> BridgeSettings:
    """Settings from flags and environment.

    Args:
        chosen: flag with underscores -> text, True for a switch that was given, None if not.
        environment: `os.environ` unless given.

    Raises:
        BridgeSettingError: one cannot be used.
    """
    given = os.environ if environment is None else environment
    values: dict[str, str] = {}
    for flag, _, default, _ in FLAGS:
        name = flag.replace("-", "_")
        values[name] = str(chosen.get(name) or given.get(variable(flag), "").strip() or default or "")
    tracking_uri = values["tracking_uri"] or given.get("MLFLOW_TRACKING_URI", "")
    if not tracking_uri:
        raise BridgeSettingError("say where MLflow is: --tracking-uri URI or MLFLOW_TRACKING_URI")
    return BridgeSettings(
        tracking_uri=tracking_uri,
        experiment=values["experiment"],
        experiment_by_service=_switch(values["experiment_by_service"], "experiment-by-service"),
        workspace=values["workspace"] or given.get("MLFLOW_WORKSPACE", "").strip() or None,
        http=_address(values["http"], "--http"),
        grpc=_address(values["grpc"], "--grpc"),
        token=_token(values["token_file"], given),
        tls=_tls(values["tls_cert"], values["tls_key"], values["tls_client_ca"]),
        allow_anonymous=_switch(values["allow_anonymous"], "allow-anonymous"),
        max_request_bytes=_whole(values["max_request_bytes"], "max-request-bytes", HIGHEST),
        max_waiting_bytes=_whole(values["max_waiting_bytes"], "max-waiting-bytes", sys.maxsize),
        max_connections=_whole(values["max_connections"], "max-connections", HIGHEST),
        patience=_number(values["patience"], "patience"),
        drain_timeout=_number(values["drain_timeout"], "drain-timeout"),
    )


def _address(text: str, flag: str) -> Address | None:
    return None if text == "off" else Address.parse(text, flag)


def _switch(text: str, flag: str) -> bool:
    if text.lower() in {"true", "1", "yes", "on"}:
        return True
    if text.lower() in {"", "false", "0", "no", "off"}:
        return False
    raise BridgeSettingError(f"{variable(flag)}: {text!r} is neither true nor false")


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _number(text: str, flag: str) -> float:
    value = _float(text)
    if not 0 < value < float("inf"):
        raise BridgeSettingError(f"--{flag}: {text!r} is no number above 0")
    return value


def _whole(text: str, flag: str, highest: int) -> int:
    value = _float(text)
    if not 1 <= value <= highest or not value.is_integer():
        raise BridgeSettingError(f"--{flag}: {text!r} is no whole number from 1 to {highest}")
    return int(value)


def _token(file: str, environment: Mapping[str, str]) -> str | None:
    if file:
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BridgeSettingError(f"--token-file: {file} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise BridgeSettingError(f"--token-file: {file} is no text in UTF-8") from error
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
        raise BridgeSettingError("--tls-cert and --tls-key go together")
    found = Tls(Path(certificate), Path(key), Path(authority) if authority else None)
    certificates.check(found.certificate, found.key, found.client_authority)
    return found
