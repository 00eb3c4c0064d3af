"""Outages of each component with Kafka between agent and gateway Collectors: 0 lost, 0 twice.

program -> kafka-agent.yaml -> broker -> two of kafka-gateway.yaml -> two bridges -> MLflow on PostgreSQL and S3
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.chaos.pipeline.deployment import (
    Pipeline,
    assert_alike,
    backend,
    needs_backend,
    program,
    suffer,
)
from tests.chaos.twins import traces_in
from tests.support.collectors import FOLDER, Collector
from tests.support.kafka_broker import kafka_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.support.kafka_broker import KafkaBroker

pytestmark = [*needs_backend, pytest.mark.slow, pytest.mark.timeout(1500)]


@dataclass(kw_only=True)
class KafkaPipeline(Pipeline):
    """A pipeline whose Collector is the agent.

    Attributes:
        broker: takes the agent's messages.
        gateways: a consumer group.
    """

    broker: KafkaBroker
    gateways: list[Collector]

    def kill_gateway(self, chance: random.Random, away: float) -> None:
        """`kill -9` of one; the other takes over its partitions if it is away for longer than a session's ten seconds."""
        gateway = chance.choice(self.gateways)
        gateway.kill()
        self.note("gateway killed")
        time.sleep(away)
        gateway.start()

    def kill_broker(self, away: float) -> None:
        """`kill -9`, and again with the same data."""
        self.broker.kill()
        self.note("broker killed")
        time.sleep(away)
        self.broker.start()


@contextmanager
def pipeline(folder: Path, store: str, *, queue: bool) -> Generator[KafkaPipeline]:
    """All of it, for as long as the block lasts; `queue`: whether the bridges have one."""
    with backend(folder, store, queue=queue) as built, ExitStack() as stack:
        broker = stack.enter_context(kafka_broker(folder / "kafka", "otel-dspy-spans"))
        given = {**built.addresses, "KAFKA_BROKERS": broker.address}
        gateways = [Collector(FOLDER / "kafka-gateway.yaml", folder / f"gateway-{number}", given) for number in (1, 2)]
        agent = Collector(FOLDER / "kafka-agent.yaml", folder / "agent", given)
        for collector in (*gateways, agent):
            stack.callback(collector.kill)
            collector.start()
        yield KafkaPipeline(**vars(built), collector=agent, broker=broker, gateways=gateways)


@pytest.mark.parametrize("queue", [False, True], ids=["no queue", "queue"])
def test_each_part_is_taken_away_once(tmp_path: Path, store: str, *, queue: bool) -> None:
    """The broker, a gateway, a bridge and the agent killed, MLflow held: 0 lost, 0 twice."""
    chance = random.Random(11)  # noqa: S311 - chance, no secret
    with pipeline(tmp_path, store, queue=queue) as built:
        with program(built, trials=3, examples=5, pause=0.5) as (running, errors):
            suffer(
                built,
                running,
                errors,
                [
                    lambda: time.sleep(3),
                    lambda: built.kill_broker(2),
                    lambda: built.kill_gateway(chance, 0),
                    lambda: built.kill_bridge(chance, 1),
                    lambda: built.kill_collector(0.2),
                    lambda: built.hold_mlflow(2),
                ],
            )
        (run,) = assert_alike(built)["runs"]
    assert traces_in(run) >= 4 * 5


@pytest.mark.timeout(3600)
def test_a_hundred_kills(tmp_path: Path, store: str) -> None:
    """At random moments of 41 trials of 20 examples, MLflow gone for a minute in between: 0 lost, 0 twice."""
    chance = random.Random(17)  # noqa: S311 - when a part is taken away is no secret
    with pipeline(tmp_path, store, queue=True) as built:
        deeds: list[Callable[[], None]] = [
            *[lambda: built.kill_bridge(chance, chance.uniform(0, 3))] * 40,
            *[lambda: built.kill_gateway(chance, chance.uniform(0, 12))] * 20,
            *[lambda: built.kill_collector(chance.uniform(0, 2))] * 15,
            *[lambda: built.kill_broker(chance.uniform(0, 5))] * 8,
            *[lambda: built.restart_postgres("immediate", chance.uniform(0, 2))] * 10,
            *[lambda: built.kill_mlflow(chance.uniform(0, 5))] * 7,
        ]
        assert len(deeds) == 100
        chance.shuffle(deeds)
        deeds.insert(50, lambda: built.hold_mlflow(60))
        pauses: list[Callable[[], None]] = [lambda: time.sleep(chance.uniform(0, 8))] * len(deeds)
        with program(built, trials=40, examples=20, pause=2.5) as (running, errors):
            suffer(
                built,
                running,
                errors,
                [step for pair in zip(pauses, deeds, strict=True) for step in pair],
                patience=2400,
            )
        (run,) = assert_alike(built)["runs"]
    assert sum(count for what, count in built.suffered.items() if what != "MLflow held") == 100
    assert len([child for child in run["children"] if child["name"].startswith("trial ")]) == 41
    assert traces_in(run) >= 41 * 20
