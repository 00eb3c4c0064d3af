"""Outages of each component while an optimization runs: program, Collector, two bridges, MLflow, PostgreSQL, S3.

The program exports the same spans to a bridge without faults. At the end both MLflows hold the same: 0 lost, 0 twice.
"""

from __future__ import annotations

import random
import signal
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.chaos.pipeline.deployment import (
    Pipeline,
    assert_alike,
    backend,
    needs_backend,
    program,
    refused,
    suffer,
)
from tests.chaos.twins import traces_in
from tests.support.collectors import FOLDER, Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path


pytestmark = needs_backend


@contextmanager
def pipeline(folder: Path, store: str, *flags: str, queue: bool = False) -> Generator[Pipeline]:
    """All of it, for as long as the block lasts; `flags` are the bridges', `queue` whether each has one on disk."""
    with backend(folder, store, *flags, queue=queue) as built, ExitStack() as stack:
        collector = Collector(FOLDER / "loadbalanced.yaml", folder / "collector", built.addresses)
        stack.callback(collector.kill)
        collector.start()
        yield Pipeline(**vars(built), collector=collector)


@pytest.mark.parametrize("queue", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_each_part_is_taken_away_once(*, queue: bool, tmp_path: Path, store: str) -> None:
    """A bridge and the Collector killed, MLflow held, PostgreSQL restarted as after a power cut: 0 lost, 0 twice."""
    chance = random.Random(7)  # noqa: S311 - chance, no secret
    with pipeline(tmp_path, store, queue=queue) as built:
        with program(built, trials=3, examples=5, pause=0.2) as (running, errors):
            suffer(
                built,
                running,
                errors,
                [
                    lambda: time.sleep(3),
                    lambda: built.kill_bridge(chance, 0),
                    lambda: built.kill_collector(0.2),
                    lambda: built.hold_mlflow(1),
                    lambda: built.restart_postgres("immediate", 0.5),
                ],
            )
        (run,) = assert_alike(built)["runs"]
    assert traces_in(run) >= 4 * 5


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("seed", "queue"), [(1, False), (2, False), (3, True)])
def test_each_part_is_taken_away_again_and_again(seed: int, *, queue: bool, tmp_path: Path, store: str) -> None:
    """At random moments of 21 trials of 20 examples: 12 deaths of bridges, 4 of the Collector, MLflow gone for a minute.

    The bridges have room for 64 KiB, so that they refuse what comes while MLflow is held.
    """
    chance = random.Random(seed)  # noqa: S311 - when a part is taken away is no secret
    with pipeline(tmp_path, store, "--max-waiting-bytes=65536", "--max-queue-bytes=65536", queue=queue) as built:

        def held_until_full() -> None:
            built.hold_mlflow(60)
            if refused(built, "no room"):
                built.note("a bridge without room")

        deeds: list[Callable[[], None]] = [
            *[lambda: built.kill_bridge(chance, chance.uniform(0, 3))] * 12,
            *[lambda: built.kill_collector(chance.uniform(0, 2))] * 4,
            *[lambda: built.restart_postgres("immediate", chance.uniform(0, 2))] * 2,
            lambda: built.restart_postgres("fast", 2),
            lambda: built.kill_mlflow(5),
        ]
        chance.shuffle(deeds)
        deeds.insert(chance.randrange(len(deeds)), held_until_full)
        pauses: list[Callable[[], None]] = [lambda: time.sleep(chance.uniform(0, 6))] * len(deeds)
        with program(built, trials=20, examples=20, pause=0.6) as (running, errors):
            suffer(built, running, errors, [step for pair in zip(pauses, deeds, strict=True) for step in pair])
        (run,) = assert_alike(built)["runs"]
        assert "a bridge without room" in built.suffered
    trials = [child for child in run["children"] if child["name"].startswith("trial ")]
    assert len(trials) == 21
    assert traces_in(run) >= 21 * 20


@pytest.mark.slow
def test_the_program_is_killed(tmp_path: Path, store: str) -> None:
    """What it had exported by then is there, once, and its run as it left it, while bridges are killed."""
    chance = random.Random(3)  # noqa: S311 - when a part is taken away is no secret
    with pipeline(tmp_path, store) as built:
        with program(built, trials=20, examples=5, pause=0.2, die_at=60) as (running, _):
            time.sleep(5)
            built.kill_bridge(chance, 1)
            built.kill_collector(0.5)
            assert running.wait(300) == -signal.SIGKILL
        for bridge in built.bridges:
            bridge.await_ready()
        (run,) = assert_alike(built)["runs"]
    assert run["status"] == "RUNNING"
    assert len(run["children"]) >= 5
