"""Two bridges on one MLflow server, everything twice or more, in any order, all at once: each thing is there once."""

from __future__ import annotations

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from benchmarks.bridge_load import send
from otel_dspy.bridge.request_writer import RequestWriter
from tests.chaos.twins import differences, record
from tests.integration.bridge.test_same_instant import await_written, submit
from tests.integration.bridge.test_same_tree import comparable
from tests.integration.mlflow.contract_spans import SpanEmitter, program_state, provider
from tests.support.bridges import running_bridge
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from benchmarks.bridge_load import Request

SENDERS = 6
LARGE = 300_000
"""Characters of a program's instructions: more than one attribute holds."""


def compiles(count: int, trials: int, namespace: int = 1, *, nested: bool) -> list[ReadableSpan]:
    """Compiles with tables, programs in pieces, trials and examples; then an evaluation outside."""
    kept = InMemorySpanExporter()
    tracer = provider(SimpleSpanProcessor(kept), namespace + nested).get_tracer("otel_dspy")
    for number in range(count):
        emitter = SpanEmitter(tracer, compile_id=f"c-{nested}-{number}", nested=nested)
        state = program_state("Add.")
        with emitter.compile(state=state, rows=[{"question": "1+1", "answer": "2"}]) as span:
            for index in range(trials):
                state = program_state(f"Add {index}.", padding=LARGE if index == 0 else 0)
                with (
                    emitter.trial(index, score=50.0, state=state),
                    emitter.evaluate([1.0, 0.0, float("nan")], trial=index),
                ):
                    pass
            emitter.program(span, state)
    with SpanEmitter(tracer, nested=nested).evaluate([1.0, 0.0]):
        pass
    return list(kept.get_finished_spans())


def requests_of(spans: Sequence[ReadableSpan], chance: random.Random) -> list[Request]:
    """The spans in requests of one to twelve, each once at least, in any order."""
    chosen = [*spans, *chance.sample(spans, len(spans) // 2)]
    chance.shuffle(chosen)
    recorded: list[Request] = []
    while chosen:
        part = [chosen.pop() for _ in range(min(len(chosen), chance.randint(1, 12)))]
        recorded.append((len(part), encode_spans(part).SerializeToString()))
    return recorded


def in_order(recorded: dict[str, Any]) -> dict[str, Any]:
    """Runs ordered by identity, since each starts with the first span of it that arrives, whichever that is."""

    def key(run: dict[str, Any]) -> str:
        return f"{run['name']} {run['tags'].get('dspy.compile.id')} {int(run['tags'].get('dspy.trial.index', 0)):4}"

    def ordered(run: dict[str, Any]) -> dict[str, Any]:
        children = sorted(map(ordered, run["children"]), key=key)
        return {**run, "children": children, "traces": sorted(run["traces"], key=trace_id)}

    def trace_id(trace: dict[str, Any]) -> str:
        return str(trace["id"])

    return {
        "runs": sorted(map(ordered, recorded["runs"]), key=key),
        "traces": sorted(recorded["traces"], key=trace_id),
    }


@pytest.mark.parametrize(
    ("seed", "size", "queued"),
    [
        # Two bridges without a queue at the same time: test_once.py::test_two_at_the_same_time.
        pytest.param(1, (1, 1), False, marks=pytest.mark.slow),
        (1, (1, 1), True),
        *(pytest.param(seed, (3, 4), False, marks=pytest.mark.slow) for seed in range(2, 8)),
        *(pytest.param(seed, (3, 4), True, marks=pytest.mark.slow) for seed in range(8, 10)),
    ],
)
def test_two_bridges_under_stress(
    seed: int, size: tuple[int, int], *, queued: bool, server_uri: str, new_store: Callable[[str], str]
) -> None:
    """Six senders, each request to a bridge by chance, a third of them to both: what one writer makes of it in order."""
    namespace = 2 * random.SystemRandom().randrange(1, 2**30)  # a trace is in one experiment of the server
    spans = [*compiles(*size, namespace, nested=False), *compiles(*size, namespace, nested=True)]
    reference, experiment = new_store("reference"), f"instant-{uuid.uuid4().hex[:8]}"
    writer = RequestWriter(2**30)
    await_written(submit(writer, reference, spans))
    writer.close(60)
    chance = random.Random(seed)  # noqa: S311 - chance, no secret
    queues = [{"queue": Path(name)} if queued else {} for name in ("queue-1", "queue-2")]
    with (
        running_bridge(server_uri, experiment, **queues[0]) as first,
        running_bridge(server_uri, experiment, **queues[1]) as second,
    ):
        addresses = [f"http://127.0.0.1:{bridge.http_port}" for bridge in (first, second)]
        recorded: list[tuple[str, Request]] = []
        for request in requests_of(spans, chance):
            chosen = chance.choice([addresses[:1], addresses[1:], addresses])
            recorded += [(address, request) for address in chosen]
        with ThreadPoolExecutor(SENDERS) as pool:
            for sent in [pool.submit(send, address, [request], {}) for address, request in recorded]:
                sent.result()
        for bridge in (first, second):
            awaited(lambda bridge=bridge: bridge.queue is None or bridge.queue.requests == 0, "all of it", 240)
        assert first.writer.pipeline.lost == second.writer.pipeline.lost == 0
    found = in_order(comparable(record(server_uri, experiment)))
    assert differences(found, in_order(comparable(record(reference, "instant")))) == []
