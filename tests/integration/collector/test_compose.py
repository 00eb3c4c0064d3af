"""Checks of collector/compose.yaml without Docker: names, files, flags, versions."""

from __future__ import annotations

import argparse
import re
from typing import Any

import click
import pytest
import yaml

from otel_dspy.bridge import command
from otel_dspy.bridge.configuration import settings
from tests.support.collectors import FOLDER, ROOT

VARIABLES = {"OTEL_DSPY_BRIDGE_TOKEN": "token", "POSTGRES_PASSWORD": "password", "S3_SECRET": "secret"}
"""What somebody who starts it must choose."""


def composed(**chosen: str) -> dict[str, Any]:
    """The file with its variables filled in, as Docker fills them."""
    given = VARIABLES | chosen

    def filled(match: re.Match[str]) -> str:
        name, operator, rest = match["name"], match["operator"], match["rest"]
        if name in given:
            return given[name]
        assert operator == ":-", f"{name} has no value"
        return str(rest)

    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(re.sub(r"\$\{(?P<name>\w+)(?:(?P<operator>:[-?])(?P<rest>[^}]*))?\}", filled, text))


@pytest.mark.parametrize("config", ["loadbalanced", "sampling", "redacted", "gateway"])
def test_all_that_it_names_is_there(config: str) -> None:
    """Services that others wait for, volumes, files that are mounted, the Dockerfile and what that copies."""
    found = composed(COLLECTOR_CONFIG=f"{config}.yaml")
    services: dict[str, Any] = found["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        assert ("image" in service) != ("build" in service)
        for mounted in service.get("volumes", ()):
            source, target, *_ = mounted.split(":")
            assert (FOLDER / source).is_file() if source.startswith(".") else source in found["volumes"]
            assert target.startswith("/")
        if "build" in service:
            build = service["build"]
            context = (FOLDER / build["context"]).resolve()
            dockerfile = (context / build["dockerfile"]).read_text(encoding="utf-8")
            assert f" AS {build['target']}\n" in dockerfile
            copied = [line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ")]
            assert copied
            assert all((context / source).exists() for sources in copied for source in sources)


def test_every_flag_is_accepted() -> None:
    """The bridges' flags by `otel-dspy bridge`, which listens where others can reach it only with the token; MLflow's too."""
    from mlflow.cli import (  # noqa: PLC0415 - it imports the server, in each pytest process
        server as mlflow_server_command,
    )

    services = composed()["services"]
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    for name in ("bridge-1", "bridge-2"):
        chosen = vars(parser.parse_args(services[name]["command"]))
        resolved = settings.resolve(chosen, services[name]["environment"])
        assert (str(resolved.http), str(resolved.grpc)) == ("0.0.0.0:4318", "0.0.0.0:4317")
        assert resolved.tracking_uri == "http://mlflow:5000"
        assert resolved.token == VARIABLES["OTEL_DSPY_BRIDGE_TOKEN"]
        with pytest.raises(settings.BridgeSettingError, match="is reachable from other machines"):
            settings.resolve(chosen, {})
    with mlflow_server_command.make_context("server", list(services["mlflow"]["command"])) as context:
        assert isinstance(context, click.Context)
        assert context.params["artifacts_destination"] == "s3://mlflow/artifacts"


def test_addresses_fit() -> None:
    """Where each configuration sends by default, or as the file sets, a service of that name listens."""
    found = composed()
    environment = found["services"]["collector"]["environment"]
    text = (FOLDER / "loadbalanced.yaml").read_text(encoding="utf-8")
    for default in re.findall(r"\$\{env:BRIDGE_\d_ENDPOINT:-([^}]*)\}", text):
        assert default.removesuffix(":4317") in found["services"]
    assert environment["BRIDGE_ENDPOINT"].removesuffix(":4317") in found["services"]
    for config in FOLDER.glob("*.yaml"):
        names = set(re.findall(r"\$\{env:(\w+)", config.read_text(encoding="utf-8")))
        known = {"OTELCOL_GRPC", "OTELCOL_HTTP", "OTELCOL_HEALTH", "OTELCOL_METRICS_PORT", "OTELCOL_QUEUE_DIR"}
        known |= {"OTELCOL_INSECURE", "EXAMPLES_PERCENT", "GATEWAY_ENDPOINT", "BRIDGE_1_ENDPOINT", "BRIDGE_2_ENDPOINT"}
        known |= {f"KAFKA_{name}" for name in ("BROKERS", "TOPIC", "GROUP", "INSECURE", "SASL")}
        known |= {f"KAFKA_{name}_FILE" for name in ("CA", "CERT", "KEY")}
        assert names <= known | set(environment), config.name


def test_one_version_everywhere() -> None:
    """The image is of the version that is built and tested; so are the builder and every part."""
    image = composed()["services"]["collector"]["image"]
    manifest = yaml.safe_load((FOLDER / "builder.yaml").read_text(encoding="utf-8"))
    version = manifest["dist"]["version"]
    assert image == f"otel/opentelemetry-collector-contrib:{version}"
    parts = [
        part["gomod"] for kind in ("receivers", "processors", "exporters", "extensions") for part in manifest[kind]
    ]
    assert {part.rpartition(" v")[2] for part in parts} == {version}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"0\.\d{3}\.\d", makefile)) == {version}
