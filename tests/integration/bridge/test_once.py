"""Idempotent delivery: repeated and reordered spans are in MLflow once."""

from __future__ import annotations

import contextlib
import random
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from otel_dspy.bridge.delivery import Delivery
from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.bridge.request_writer import RequestWriter
from otel_dspy.mlflow.tracking.store.traces.trace_store import TraceStore
from otel_dspy.otlp_requests.span_route import routed
from tests.chaos.twins import differences, record
from tests.integration.bridge.test_same_tree import comparable
from tests.support.blank_store import blank_store
from tests.support.database_statements import database_statements
from tests.support.parsed_requests import from_protobuf
from tests.support.recorded_optimization import recorded_optimization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from otel_dspy.bridge.foreign_spans import RoutedSpan
    from otel_dspy.mlflow.mapping.trace_operations import LogSpan

PATIENCE = 240


@pytest.fixture(scope="module")
def batches() -> list[bytes]:
    """An optimization as requests, in the order of export."""
    return [encode_spans(batch).SerializeToString() for batch in recorded_optimization()]


@pytest.fixture(scope="module")
def expected(batches: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What MLflow holds after one delivery in order. Artifacts go below the working folder."""
    folder = tmp_path_factory.mktemp("reference")
    with contextlib.chdir(folder):
        store = blank_store(folder)
        deliver(store, batches, writers=1, restart=0)
        return comparable(record(store, "once"))


def deliver(tracking_uri: str, bodies: Sequence[bytes], writers: int, restart: int) -> None:
    """Give each request to one of some writers in turn; a writer is another one after every `restart` requests."""
    experiments = ExperimentRouter(tracking_uri, "once")
    running = [RequestWriter(2**30) for _ in range(writers)]
    for number, body in enumerate(bodies):
        turn = number % writers
        if restart and number // writers % restart == restart - 1:
            running[turn].close(PATIENCE)
            running[turn] = RequestWriter(2**30)
        spans: list[RoutedSpan] = [
            routed(found, experiments.destination(found.span.resource, None)) for found in from_protobuf(body).spans
        ]
        delivery = Delivery(spans, len(body))
        assert running[turn].submit(delivery)
        written = delivery.done.result(PATIENCE)
        assert not written.again
        assert not written.rejected
    for writer in running:
        writer.close(PATIENCE)
        assert writer.pipeline.lost == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "several", [(1, 0, 1), (2, 0, 2), (1, 2, 3), (2, 3, 4)], ids=lambda several: "{}-{}-{}".format(*several)
)
def test_shuffled_and_doubled_to_several_that_restart(
    batches: list[bytes],
    expected: dict[str, Any],
    new_store: Callable[[str], str],
    several: tuple[int, int, int],
) -> None:
    """The end is that of one delivery in order: to one writer, to two in turn, and to some that forget all."""
    writers, restart, seed = several
    tried = new_store("tried")
    chance = random.Random(seed)  # noqa: S311 - chance, no secret
    bodies = [*batches, *chance.sample(batches, len(batches) // 2)]
    chance.shuffle(bodies)
    deliver(tried, bodies, writers, restart)
    assert differences(comparable(record(tried, "once")), expected) == []
    # And all of it again, much later, to somebody who knows nothing of it.
    deliver(tried, batches, writers=1, restart=0)
    assert differences(comparable(record(tried, "once")), expected) == []


def test_a_request_that_holds_spans_twice(
    batches: list[bytes],
    expected: dict[str, Any],
    new_store: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Collector that died joins what it had with what is sent again: MLflow receives each span once.

    On PostgreSQL it refuses a request that has one twice, and all that is in it would be lost.
    """
    tried = new_store("tried")
    asked: list[list[tuple[str, str]]] = []
    log_spans = TraceStore.log_spans

    def received(store: TraceStore, experiment_id: str, spans: Iterable[LogSpan]) -> None:
        chosen = list(spans)
        asked.append([(span.trace_id, span.span.span_id) for span in chosen])
        log_spans(store, experiment_id, chosen)

    monkeypatch.setattr(TraceStore, "log_spans", received)
    # Protobuf messages one after the other are one message.
    deliver(tried, [b"".join([*batches, *batches[::2]])], writers=1, restart=0)
    names = [name for request in asked for name in request]
    assert len(names) == len(set(names)) > 0
    assert differences(comparable(record(tried, "once")), expected) == []


def test_a_request_that_came_before_costs_nothing(batches: list[bytes], new_store: Callable[[str], str]) -> None:
    """A writer that has written it acknowledges at once: a request too large for its client's patience ends some day."""
    store = new_store("again")
    experiments = ExperimentRouter(store, "once")
    writer = RequestWriter(2**30)
    spans = [
        routed(found, experiments.destination({}, None)) for body in batches for found in from_protobuf(body).spans
    ]
    for first in (True, False):
        delivery = Delivery(spans, 1)
        with database_statements(store) as statements:
            assert writer.submit(delivery)
            assert not delivery.done.result(PATIENCE).again
        assert bool(statements) is first
    writer.close(PATIENCE)


def test_two_at_the_same_time(batches: list[bytes], expected: dict[str, Any], server_uri: str) -> None:
    """Requests dealt out by chance to two writers that work side by side: the end is that of one delivery in order."""
    experiment = f"once-{uuid.uuid4().hex[:8]}"
    experiments = ExperimentRouter(server_uri, experiment)
    chance = random.Random(5)  # noqa: S311 - chance, no secret
    running = [RequestWriter(2**30) for _ in range(2)]
    deliveries: list[Delivery] = []
    for body in chance.sample(batches, len(batches)):
        spans = [routed(found, experiments.destination({}, None)) for found in from_protobuf(body).spans]
        for writer in chance.choice([running[:1], running[1:], running]):
            deliveries.append(Delivery(spans, len(body)))
            assert writer.submit(deliveries[-1])
    for delivery in deliveries:
        written = delivery.done.result(PATIENCE)
        assert (written.again, written.rejected) == (False, {})
    for writer in running:
        writer.close(PATIENCE)
        assert writer.pipeline.lost == 0
    assert differences(comparable(record(server_uri, experiment)), expected) == []
