"""Where spans go, by the environment: exporters, collectors, MLflow, the spool; and whether they answer."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from otel_dspy.doctor.finding import Finding, Level
from otel_dspy.mlflow.delivery import spool
from otel_dspy.mlflow.tracking.addresses import address_without_passwords, trouble, without_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATIENCE: Final = 3.0
"""Seconds that a destination has to answer."""
_SIGNALS: Final = ("TRACES", "METRICS", "LOGS")
_PORTS: Final = {"grpc": 4317, "http/protobuf": 4318}
TRACKING_URI: Final = "MLFLOW_TRACKING_URI"


def destinations(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Every destination that the environment names, asked whether it is there."""
    yield from _otlp(environment)
    yield from _mlflow(environment)
    yield from _spool()


def _otlp(environment: Mapping[str, str]) -> Iterator[Finding]:
    asked: dict[tuple[str, int], list[str]] = {}
    for signal in _SIGNALS:
        chosen = [name.strip() for name in environment.get(f"OTEL_{signal}_EXPORTER", "").split(",") if name.strip()]
        if signal == "TRACES" and chosen in ([], ["none"]):
            yield Finding(
                "exporter",
                Level.NOTE,
                "OTEL_TRACES_EXPORTER is not set: opentelemetry-instrument sends no spans by itself; code may",
            )
        if "otlp" not in chosen:
            continue
        protocol = environment.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environment.get(
            "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"
        )
        port = _PORTS.get(protocol)
        if port is None:
            yield Finding(
                "exporter",
                Level.PROBLEM,
                f"{protocol!r} is no OTLP protocol that Python speaks; use {' or '.join(_PORTS)}",
            )
            continue
        variable = f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"
        if not environment.get(variable):
            variable = "OTEL_EXPORTER_OTLP_ENDPOINT"
        endpoint = environment.get(variable) or f"http://localhost:{port}"
        whole = endpoint if "//" in endpoint else f"//{endpoint}"
        if (wrong := trouble(whole)) is not None:
            yield _no_address("exporter", variable, endpoint, wrong)
            continue
        parts = urlsplit(whole)
        where = (parts.hostname or "localhost", parts.port or (443 if parts.scheme == "https" else port))
        asked.setdefault(where, []).append(f"{signal.lower()} ({protocol})")
    for (host, port), signals in asked.items():
        error = _unreachable(host, port)
        what = f"{', '.join(signals)} to {host}:{port}"
        if error is None:
            yield Finding("exporter", Level.OK, f"{what}: something listens there")
        else:
            yield Finding("exporter", Level.PROBLEM, f"{what}: nobody listens there ({error})")


def _no_address(subject: str, variable: str, address: str, wrong: str) -> Finding:
    shown = address_without_passwords(address)
    return Finding(subject, Level.PROBLEM, f"{variable}={shown} is no address: {wrong}. Write it as http://HOST:PORT")


def _unreachable(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _mlflow(environment: Mapping[str, str]) -> Iterator[Finding]:
    uri = environment.get(TRACKING_URI, "")
    if not uri:
        yield Finding(
            "mlflow", Level.NOTE, f"{TRACKING_URI} is not set: autolog writes where mlflow.set_tracking_uri says"
        )
        return
    shown = address_without_passwords(uri)
    scheme = uri.partition(":")[0].lower()
    if scheme in {"http", "https"} and (wrong := trouble(uri)) is not None:
        yield _no_address("mlflow", TRACKING_URI, uri, wrong)
    elif scheme in {"http", "https"}:
        error = _unhealthy(uri.rstrip("/"))
        if error is None:
            yield Finding("mlflow", Level.OK, f"{shown} answers")
        else:
            yield Finding("mlflow", Level.PROBLEM, f"{shown} does not answer as MLflow does: {error}")
    elif scheme == "sqlite":
        folder = Path(uri.removeprefix("sqlite:///")).absolute().parent
        if os.access(folder, os.W_OK):
            yield Finding("mlflow", Level.OK, f"{shown}, in a folder that can be written")
        else:
            yield Finding("mlflow", Level.PROBLEM, f"{shown}: {folder} is not there or cannot be written")
    else:
        yield Finding("mlflow", Level.NOTE, f"{shown} was not asked")


def _unhealthy(uri: str) -> str | None:
    parts = urlsplit(uri)
    # Health is everybody's to ask, and urllib takes a user in an address for a part of the host.
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = urllib.request.Request(f"{plain}/health")  # noqa: S310 - http or https, looked at before
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - the same
            return None if answer.status == HTTPStatus.OK else f"status {answer.status}"
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except (OSError, ValueError) as error:
        return without_passwords(str(getattr(error, "reason", error)))


def _spool() -> Iterator[Finding]:
    folder = spool.folder()
    files = sorted(folder.glob(f"*{spool.SUFFIX}")) if folder.is_dir() else []
    left = [path for path in files if not _in_use(path)]
    if left:
        size = sum(path.stat().st_size for path in left) / 2**20
        yield Finding(
            "spool",
            Level.WARNING,
            f"{len(left)} files ({size:.1f} MiB) in {folder} wait to be written to MLflow: otel-dspy replay",
        )
        return
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if os.access(place, os.W_OK):
        yield Finding("spool", Level.OK, f"{folder} is empty and can be written")
    else:
        yield Finding(
            "spool", Level.PROBLEM, f"{folder} cannot be written: what MLflow does not take is lost at the end. "
            f"Set {spool.FOLDER_VARIABLE}."
        )  # fmt: skip


def _in_use(path: Path) -> bool:
    try:
        return spool.in_use(path)
    except OSError:
        return False
