"""A pipeline in operation for tests of outages: its parts, what they suffer, and the program that it serves."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from benchmarks.postgres import binaries, cluster
from tests.chaos.pipeline import parts
from tests.chaos.pipeline.parts import BridgePart, alive
from tests.chaos.twins import differences, record
from tests.integration.bridge.test_same_tree import comparable
from tests.support.bridges import running_bridge
from tests.support.collectors import needs_collector
from tests.support.programs import ROOT, Program
from tests.support.waiting import awaited

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Generator

    from benchmarks.postgres import Cluster
    from otel_dspy.bridge.durable_queue.durable_queue import DurableQueue
    from tests.chaos.pipeline.parts import Part
    from tests.support.collectors import Collector

needs_database = pytest.mark.skipif(binaries() is None, reason="there is no PostgreSQL: its package is `postgresql`")
needs_s3 = pytest.mark.skipif(not parts.S3.is_file(), reason="there is no S3 server: `make test` builds it with Go")
needs_backend = [needs_collector, needs_database, needs_s3]

EXPERIMENT = "pipeline"
DELIVERY = 300.0
"""Seconds in which MLflow must have all, once everything is there again."""


@dataclass
class Backend:
    """What Collectors send to, running: two bridges, MLflow on PostgreSQL and S3, and a bridge without faults.

    Attributes:
        uri: MLflow's.
        reference: tracking URI of the MLflow that nothing happens to.
        undisturbed: address of its bridge.
        kept: the queue of the undisturbed bridge, if it has one.
    """

    uri: str
    reference: str
    undisturbed: str
    postgres: Cluster
    mlflow: Part
    bridges: list[BridgePart]
    kept: DurableQueue | None

    @property
    def addresses(self) -> dict[str, str]:
        """The bridges' addresses, by the variables of the Collectors' configurations."""
        return {f"BRIDGE_{number}_ENDPOINT": bridge.grpc for number, bridge in enumerate(self.bridges, 1)}


@dataclass
class Pipeline(Backend):
    """All of it, running.

    Attributes:
        collector: takes the program's spans.
        suffered: what was done, and how often.
    """

    collector: Collector
    suffered: dict[str, int] = field(default_factory=dict[str, int])

    def note(self, what: str) -> None:
        """Something was done."""
        self.suffered[what] = self.suffered.get(what, 0) + 1

    def kill_bridge(self, chance: random.Random, away: float) -> None:
        """`kill -9` of one; another in its place, on its port, after some time."""
        bridge = chance.choice(self.bridges)
        bridge.kill()
        self.note("bridge killed")
        time.sleep(away)
        bridge.start()

    def kill_collector(self, away: float) -> None:
        """`kill -9`, and again with the same queue."""
        self.collector.kill()
        self.note("Collector killed")
        time.sleep(away)
        self.collector.start()

    def hold_mlflow(self, away: float) -> None:
        """MLflow answers nothing; its port takes connections still."""
        self.mlflow.signal(signal.SIGSTOP)
        self.note("MLflow held")
        time.sleep(away)
        self.mlflow.signal(signal.SIGCONT)

    def kill_mlflow(self, away: float) -> None:
        """`kill -9`, and another on its port."""
        self.mlflow.kill()
        self.note("MLflow killed")
        time.sleep(away)
        self.mlflow.start()
        self.mlflow.await_ready()

    def restart_postgres(self, mode: str, away: float) -> None:
        """Its clients are cut off in the middle of what they do."""
        self.postgres.stop(mode)
        self.note(f"PostgreSQL stopped ({mode})")
        time.sleep(away)
        self.postgres.start()


@contextmanager
def backend(folder: Path, store: str, *flags: str, queue: bool = False) -> Generator[Backend]:
    """What Collectors send to; `flags` are the bridges', `queue` whether each has one on disk."""
    with ExitStack() as stack:
        database = stack.enter_context(cluster())
        s3, environment = parts.s3(folder)
        server, uri = parts.mlflow(folder, database.uri, environment)
        bridges = [BridgePart(folder, f"bridge-{number}", uri, EXPERIMENT, *flags, queue=queue) for number in (1, 2)]
        stack.enter_context(alive(s3, server, *bridges))
        # Large requests are slow ones; here the end is what counts.
        own = {"queue": folder / "undisturbed-queue"} if queue else {}
        undisturbed = stack.enter_context(running_bridge(store, EXPERIMENT, **own))
        address = f"127.0.0.1:{undisturbed.grpc_port}"
        yield Backend(uri, store, address, database, server, bridges, undisturbed.queue)


@contextmanager
def program(
    built: Pipeline, *, trials: int, examples: int, pause: float, die_at: int = 0
) -> Generator[tuple[Program, IO[str]]]:
    """An optimization in a process of its own, and its standard error, to be read at its end."""
    addresses = [f"--to={address}" for address in (built.collector.grpc, built.undisturbed)]
    sizes = [f"--trials={trials}", f"--examples={examples}", f"--pause={pause}", f"--die-at={die_at}"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": "http://nobody.invalid", "PYTHONPATH": str(ROOT)}
    with (
        tempfile.TemporaryFile("w+") as errors,
        Path(os.devnull).open("wb") as nowhere,
        Program(
            *addresses, *sizes, module="tests.chaos.pipeline.program", environment=environment, stdout=nowhere,
            stderr=errors,
        ) as process,
    ):  # fmt: skip
        yield process, errors


def in_order(recorded: dict[str, Any]) -> dict[str, Any]:
    """A record with runs ordered by identity: a run starts with the first span of it that arrives, whichever that is."""

    def key(run: dict[str, Any]) -> tuple[int, str, str]:
        return (int(run["tags"].get("dspy.trial.index", -1)), run["name"], str(run["tags"].get("dspy.compile.id")))

    def ordered(run: dict[str, Any]) -> dict[str, Any]:
        # MLflow notes the git repository that a process's main file stands in: here a bridge's or a test's.
        tags = {name: value for name, value in run["tags"].items() if not name.startswith("mlflow.source.")}
        return {**run, "tags": tags, "children": sorted(map(ordered, run["children"]), key=key)}

    return {**recorded, "runs": sorted(map(ordered, recorded["runs"]), key=key)}


def numbers(uri: str) -> tuple[int, list[str]]:
    """How many traces there are, and how each run stands: cheap to ask for."""
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        return 0, []
    runs = client.search_runs([found.experiment_id], max_results=1000)
    count = 0
    token: str | None = None
    while True:
        page = client.search_traces([found.experiment_id], include_spans=False, max_results=500, page_token=token)
        count += len(page)
        token = cast("str | None", page.token)
        if not token:
            return count, sorted(str(run.info.status) for run in runs)


def assert_alike(built: Pipeline) -> dict[str, Any]:
    """Wait until MLflow has all, if it ever has; both hold the same. That record."""
    awaited(lambda: built.kept is None or built.kept.requests == 0, "the undisturbed bridge", DELIVERY)
    expected = in_order(comparable(record(built.reference, EXPERIMENT)))
    wanted = numbers(built.reference)
    deadline = time.monotonic() + DELIVERY
    while numbers(built.uri) != wanted and time.monotonic() < deadline:
        time.sleep(0.5)
    while True:
        # The last spans of a trace may come later than its info. Of one that has none yet MLflow's client looks for a
        # file, and raises because there is no tracking server set that would have it.
        try:
            found = differences(in_order(comparable(record(built.uri, EXPERIMENT))), expected)
        except MlflowException as error:
            found = [str(error)]
        if not found or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert found == []
    return expected


def refused(built: Pipeline, reason: str) -> float:
    """Spans that the bridges that live now have sent back for that reason."""
    return sum(
        count
        for bridge in built.bridges
        for name, count in bridge.counts().items()
        if "refused_spans" in name and reason in name
    )


def suffer(
    built: Pipeline, running: Program, errors: IO[str], deeds: list[Callable[[], None]], patience: float = 500
) -> None:
    """Do these, one after another, while the program runs, and all of them; it must end well, within `patience` s."""
    broken: list[BaseException] = []

    def all_of_them() -> None:
        try:
            for deed in deeds:
                deed()
        except BaseException as error:  # raised in the test's own thread
            broken.append(error)
            raise

    thread = threading.Thread(target=all_of_them, daemon=True)
    thread.start()
    status = running.wait(patience)
    errors.seek(0)
    texts = errors.read()
    thread.join(300)
    assert broken == []
    assert not thread.is_alive()
    assert status == 0, texts[-3000:]
    assert "Failed to export" not in texts, texts[-3000:]
    for bridge in built.bridges:
        bridge.await_ready()
