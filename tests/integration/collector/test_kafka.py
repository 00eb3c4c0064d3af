"""kafka-agent.yaml and kafka-gateway.yaml with a broker between them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otel_dspy import semconv as sc
from tests.chaos.twins import differences, record
from tests.integration.bridge.certificates import Authority
from tests.integration.bridge.test_same_tree import comparable
from tests.integration.collector.test_configurations import (
    DELIVERY,
    EXPERIMENT,
    await_that,
    compile_of,
    compile_of_run,
    emit,
    ids,
    optimize_several,
    taken,
)
from tests.support.bridges import running_bridge
from tests.support.collectors import FOLDER, Collector, needs_collector, running_collector
from tests.support.kafka_broker import PASSWORD, USER, kafka_broker, skip_without_kafka
from tests.support.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from tests.support.kafka_broker import KafkaBroker

pytestmark = needs_collector


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs the broker's certificate."""
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def broker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Generator[KafkaBroker]:
    """A broker with the topic of the configurations' default name, with a listener for TLS and passwords."""
    with kafka_broker(tmp_path_factory.mktemp("kafka"), "otel-dspy-spans", authority) as running:
        yield running


def secured(broker: KafkaBroker, authority: Authority, folder: Path) -> Mapping[str, str]:
    """The environment of a Collector that connects with TLS and a password."""
    ca = folder / "authority.pem"
    ca.write_bytes(authority.certificate.read_bytes())
    return {
        "KAFKA_BROKERS": broker.secured,
        "KAFKA_INSECURE": "false",
        "KAFKA_CA_FILE": str(ca),
        "KAFKA_SASL": '{mechanism: PLAIN, username: "${env:KAFKA_USERNAME}", password: "${env:KAFKA_PASSWORD}"}',
        "KAFKA_USERNAME": USER,
        "KAFKA_PASSWORD": PASSWORD,
    }


def send_large(endpoint: str) -> tuple[str, str]:
    """Send a call's span of five million bytes, which compress to half as many; return its trace's id and its own."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"http://{endpoint}", timeout=DELIVERY)))
    attributes = {sc.DSPY_OPERATION_NAME: "module", sc.DSPY_MODULE_INPUT: secrets.token_hex(2_500_000)}
    with provider.get_tracer("otel_dspy").start_as_current_span("large", attributes=attributes) as span:
        context = span.get_span_context()
    provider.shutdown()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


@pytest.mark.parametrize("name", ["kafka-agent", "kafka-gateway"])
def test_the_configurations_are_valid(name: str, tmp_path: Path) -> None:
    """By default without TLS and passwords; a mechanism that does not exist is an error."""
    skip_without_kafka()
    Collector(FOLDER / f"{name}.yaml", tmp_path, {}).validate()
    Collector(FOLDER / f"{name}.yaml", tmp_path, {"KAFKA_BROKERS": "one:9092,other:9092"}).validate()
    with pytest.raises(AssertionError, match="configured value NONE"):
        Collector(FOLDER / f"{name}.yaml", tmp_path, {"KAFKA_SASL": "{mechanism: NONE}"}).validate()


def test_offsets_are_committed_once_bridges_have_acknowledged(
    broker: KafkaBroker, authority: Authority, new_store: Callable[[str], str], tmp_path: Path
) -> None:
    """A gateway whose bridges are gone reads messages and ends; another one reads them again, and MLflow is whole.

    Everything that names a compile is at one bridge, though messages have no key. So is a span that Kafka would reject
    by default.
    """
    store, reference = new_store("collected"), new_store("reference")
    nowhere = f"127.0.0.1:{free_port()}"
    environment = secured(broker, authority, tmp_path)
    with (
        running_collector(FOLDER / "kafka-agent.yaml", tmp_path / "agent", environment) as agent,
        running_bridge(store, EXPERIMENT, patience=8) as first,
        running_bridge(store, EXPERIMENT, patience=8) as second,
        running_collector(
            FOLDER / "kafka-gateway.yaml",
            tmp_path / "gateway",
            {**environment, "BRIDGE_1_ENDPOINT": nowhere, "BRIDGE_2_ENDPOINT": nowhere},
        ) as gateway,
    ):
        large = send_large(agent.grpc)
        spans = emit(agent.grpc, reference, lambda: optimize_several(4))
        await_that(lambda: "Backing off due to error" in gateway.log.read_text(), "a message that no bridge takes")
        await_that(lambda: gateway.log.read_text().count("Backing off due to error") > 5, "its repetition")
        gateway.stop()
        assert '"delay": 0}' not in gateway.log.read_text()
        gateway.change(
            BRIDGE_1_ENDPOINT=f"127.0.0.1:{first.grpc_port}", BRIDGE_2_ENDPOINT=f"127.0.0.1:{second.grpc_port}"
        )
        gateway.start()
        await_that(lambda: taken(first) | taken(second) == ids(spans) | {large}, "all at the bridges")
        assert not taken(first) & taken(second)
        for compile_id in {compile_of(span) for span in spans} - {None}:
            group = ids([span for span in spans if compile_of(span) == compile_id])
            assert group <= taken(first) or group <= taken(second)
    found, expected = comparable(record(store, EXPERIMENT)), comparable(record(reference, EXPERIMENT))
    (trace,) = [trace for trace in found["traces"] if trace["id"] == f"tr-{large[0]}"]
    found["traces"].remove(trace)
    for recorded in (found, expected):
        # A run starts with the first span of it that arrives, which depends on the bridges.
        recorded["runs"].sort(key=compile_of_run)
    assert differences(found, expected) == []
