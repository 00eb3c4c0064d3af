"""Pipe of the Kafka benchmarks: agent Collector, broker, two gateways, two bridges, MLflow on PostgreSQL."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy

from benchmarks.postgres import postgres
from tests.support.bridge_process import bridge_process
from tests.support.collectors import FOLDER, running_collector
from tests.support.kafka_broker import kafka_broker
from tests.support.mlflow_server import free_port, mlflow_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.mlflow_server import MlflowServer

BRIDGES: Final = 2
GATEWAYS: Final = 2
PACKAGES: Final = ("mlflow", "opentelemetry-sdk", "uvicorn", "psycopg2-binary")
"""Whose versions belong to a result; Kafka's is in requirements/kafka, the Collector's in collector/builder.yaml."""


@dataclass(frozen=True)
class Pipe:
    """All of it, running.

    Attributes:
        agent: where it accepts OTLP/HTTP, `http://127.0.0.1:<port>`.
        bridges: where each of them does.
        server: MLflow's.
    """

    agent: str
    bridges: list[str]
    server: MlflowServer
    _database: sqlalchemy.Engine

    def stored(self) -> int:
        """Number of spans that MLflow's database has."""
        with self._database.connect() as connection:
            return connection.execute(sqlalchemy.text("SELECT count(*) FROM spans")).scalar_one()


@contextmanager
def pipe() -> Generator[Pipe]:
    """All of it, for as long as the block lasts.

    Raises:
        FileNotFoundError: there is no PostgreSQL server here.
        pytest.skip.Exception: there is no broker, or no Collector with Kafka's components.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(kafka_broker(folder / "kafka", "otel-dspy-spans"))
        database = stack.enter_context(postgres())
        server = stack.enter_context(mlflow_server(folder, backend=database, forked=False))
        ports = [free_port() for _ in range(BRIDGES)]
        bridges = [
            stack.enter_context(
                bridge_process(server.uri, "kafka", port, 8, forked=False, queue=str(folder / f"queue-{port}"))
            )
            for port in ports
        ]
        environment = {f"BRIDGE_{number}_ENDPOINT": f"127.0.0.1:{port}" for number, port in enumerate(ports, 1)}
        environment["KAFKA_BROKERS"] = broker.address
        for number in range(GATEWAYS):
            gateway = running_collector(FOLDER / "kafka-gateway.yaml", folder / f"gateway-{number}", environment)
            stack.enter_context(gateway)
        agent = stack.enter_context(running_collector(FOLDER / "kafka-agent.yaml", folder / "agent", environment))
        engine = sqlalchemy.create_engine(database)
        stack.callback(engine.dispose)
        yield Pipe(f"http://{agent.http}", [bridge.http for bridge in bridges], server, engine)
