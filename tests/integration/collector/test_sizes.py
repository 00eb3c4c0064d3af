"""Sizes in the configurations: the Collector drops a span that is larger than a batch of its queue, once it has accepted it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from otel_dspy import cli
from otel_dspy.bridge.configuration import settings
from tests.support.collectors import FOLDER
from tests.support.kafka_broker import LARGEST_MESSAGE

MIB = 1024 * 1024
ACCEPTED_BY_DEFAULT = 20 * MIB
"""Bytes of a request by OTLP/HTTP."""
OTHERS = {"otlp_http/other"}
"""Backends with limits of their own."""


def accepted(config: dict[str, Any]) -> int:
    """Bytes of the largest request that a configuration's OTLP receiver accepts."""
    protocols = config["receivers"]["otlp"]["protocols"]
    by_http = protocols["http"].get("max_request_body_size", ACCEPTED_BY_DEFAULT)
    return max(protocols["grpc"]["max_recv_msg_size_mib"] * MIB, by_http)


def largest_batches(config: dict[str, Any]) -> list[int]:
    """Bytes of the largest batch of each queue before a bridge or Kafka."""
    exporters = {name: exporter for name, exporter in config["exporters"].items() if name not in OTHERS}
    return [exporter["sending_queue"]["batch"]["max_size"] for exporter in exporters.values()]


@pytest.mark.parametrize("name", ["agent", "gateway", "loadbalanced", "redacted", "sampling", "kafka-agent"])
def test_no_span_that_is_accepted_is_too_large_later(name: str) -> None:
    """A queue's batch, Kafka's message and a bridge have room for it, with the attributes that a route adds."""
    config = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    added = MIB if "transform/route" in config["processors"] else 0
    (batch,) = largest_batches(config)
    assert accepted(config) + added <= batch
    if name == "kafka-agent":
        message = config["exporters"]["kafka"]["producer"]["max_message_bytes"]
        assert batch < message < LARGEST_MESSAGE
    assert batch < settings.resolve({"tracking_uri": "sqlite://"}, {}).max_request_bytes


def test_an_agents_batches_are_accepted_by_gateways() -> None:
    """The next Collector takes what one before it sends."""
    agent = yaml.safe_load((FOLDER / "agent.yaml").read_text(encoding="utf-8"))
    for name in ("gateway", "loadbalanced", "redacted", "sampling"):
        following = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
        assert largest_batches(agent)[0] <= accepted(following)


@pytest.mark.parametrize("mebibytes", [20, 8])
def test_the_printed_configuration(mebibytes: int, capsys: pytest.CaptureFixture[str]) -> None:
    """It follows `--max-request-bytes`."""
    limit = f"--max-request-bytes={mebibytes * MIB}"
    assert cli.main(["bridge", "--tracking-uri", "sqlite://", "--print-collector-config", limit]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert accepted(config) == largest_batches(config)[0] == mebibytes * MIB
