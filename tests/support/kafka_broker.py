"""A Kafka broker on loopback ports that a test may kill and restart.

One process is broker and controller (KRaft). Clients connect in plain text, or with TLS and a user's password.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.collectors import ROOT, binary
from tests.support.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from tests.integration.bridge.certificates import Authority

_JARS: Final = ROOT / ".tools" / "kafka"
READY: Final = 180.0
"""Seconds to wait until it accepts connections; on a loaded machine its start takes a minute."""
PARTITIONS: Final = 8
LARGEST_MESSAGE: Final = 20 * 1024 * 1024
"""`max.message.bytes` of a topic, as docs/collector.md has it: what a bridge accepts by default."""
USER, PASSWORD = "otel-dspy", "not: a {secret}"
_JAVA: Final = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def skip_without_kafka() -> None:
    """Skip the test where there is no broker, or no Collector with Kafka's components."""
    if shutil.which("java") is None or not (_JARS / "SHA256SUMS").is_file():
        pytest.skip("there is no Kafka broker: `make kafka` fetches it, with Java and Maven")
    listed = subprocess.run([str(binary()), "components"], capture_output=True, text=True, check=False).stdout
    if "kafka" not in listed:
        pytest.skip("the Collector is an older one, without Kafka: `make collector` builds it again")


class KafkaBroker:
    """A broker that may live several times, on the same ports and with the same data."""

    def __init__(self, folder: Path, authority: Authority | None = None) -> None:
        """Format its storage.

        Args:
            folder: for its data and its log.
            authority: signs its certificate; without one there is no listener with TLS and passwords.

        Raises:
            subprocess.CalledProcessError: its configuration is invalid; the reason is on standard error.
        """
        self.address = f"127.0.0.1:{free_port()}"
        self.secured = f"127.0.0.1:{free_port()}"
        """The listener with TLS and passwords."""
        self.log = folder / "broker.log"
        self._properties = folder / "broker.properties"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        controller = f"127.0.0.1:{free_port()}"
        listeners = {"PLAINTEXT": self.address, "CONTROLLER": controller}
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
            "log.dirs": str(folder / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "group.initial.rebalance.delay.ms": "0",
            # A broker that was killed is not registered again before its session has ended.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "1000",
            "auto.create.topics.enable": "false",
        }
        if authority is not None:
            listeners["SASL_SSL"] = self.secured
            settings |= self._security(authority)
        settings["listeners"] = ",".join(f"{name}://{address}" for name, address in listeners.items())
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
        self._run("kafka.tools.StorageTool", "format", "-t", "otel-dspy-tests-000000", "-c", self._properties)

    @staticmethod
    def _security(authority: Authority) -> Mapping[str, str]:
        signed = authority.sign("broker")
        key, chain = (
            file.read_text(encoding="utf-8").replace("\n", "\\n") for file in (signed.key, signed.certificate)
        )
        module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.key": key,
            "ssl.keystore.certificate.chain": chain,
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{module} user_{USER}="{PASSWORD}";',
        }

    @staticmethod
    def _run(tool: str, *arguments: str | Path) -> None:
        command = ["java", *_JAVA, "-cp", f"{_JARS}/*", tool, *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Start it and wait until it accepts connections.

        Raises:
            RuntimeError: it ends or accepts none in time; the text contains its log.
        """
        command = ["java", "-Xmx512m", *_JAVA, "-cp", f"{_JARS}/*", "kafka.Kafka", str(self._properties)]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=self.log.parent)
        host, _, port = self.address.partition(":")
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with socket.create_connection((host, int(port)), timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"the broker is not ready:\n{self.log.read_text(errors='replace')[-4000:]}")

    def create_topic(self, name: str) -> None:
        """Create a topic, as docs/collector.md has it, once the broker takes part.

        It accepts connections before, and its controller fences it while its heartbeats come late: then it has no place
        for a topic.

        Raises:
            subprocess.CalledProcessError: it was not created; the reason is on standard error.
        """
        deadline = time.monotonic() + READY
        while True:
            try:
                self._run(
                    "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", self.address, "--create", "--topic", name,
                    "--if-not-exists", "--partitions", str(PARTITIONS),
                    "--config", f"max.message.bytes={LARGEST_MESSAGE}",
                )  # fmt: skip
            except subprocess.CalledProcessError:
                if time.monotonic() >= deadline:
                    raise
            else:
                return

    def kill(self) -> None:
        """`kill -9`, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def kafka_broker(folder: Path, topic: str, authority: Authority | None = None) -> Generator[KafkaBroker]:
    """A broker with a topic, for as long as the block lasts; the test is skipped where there is none."""
    skip_without_kafka()
    broker = KafkaBroker(folder, authority)
    try:
        broker.start()
        broker.create_topic(topic)
        yield broker
    finally:
        broker.kill()
