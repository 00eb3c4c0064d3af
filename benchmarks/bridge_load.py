"""Load for bridge benchmarks: encoded OTLP requests of optimizations, created from the semantic conventions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import requests
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.integration.mlflow.contract_spans import SpanEmitter, provider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

EXAMPLES_A_TRIAL: Final = 100
BATCH: Final = 512
"""Spans per request, the default of `BatchSpanProcessor`."""

Request = tuple[int, bytes]
"""How many spans, and they."""


def requests_of(number: int, trials: int, steps: int = 1, batch: int = BATCH) -> Iterator[Request]:
    """The requests of one program's optimization.

    Args:
        number: distinguishes programs.
        trials: how many it has.
        steps: modules that an example calls: it has a span, and two for each of them.
        batch: spans of a request.
    """
    exporter = InMemorySpanExporter()
    tracer = provider(SimpleSpanProcessor(exporter), namespace=number).get_tracer("otel_dspy")
    emitter = SpanEmitter(tracer, compile_id=f"compile-{number}", steps=steps)

    def ready(least: int) -> Iterator[Request]:
        spans = exporter.get_finished_spans()
        if len(spans) >= least:
            exporter.clear()
            for start in range(0, len(spans), batch):
                chosen = spans[start : start + batch]
                yield len(chosen), encode_spans(chosen).SerializeToString()

    with emitter.compile(state="{}"):
        for index in range(trials):
            scores = [1.0] * EXAMPLES_A_TRIAL
            with emitter.trial(index, score=50.0, state="{}"), emitter.evaluate(scores, trial=index):
                pass
            yield from ready(batch)
    yield from ready(1)


def send(
    address: str, encoded: Sequence[Request], headers: Mapping[str, str], seconds: list[float] | None = None
) -> int:
    """Send the requests in order, retrying each until it is accepted; return the number of spans.

    Args:
        address: `http://host:port`.
        encoded: the requests.
        headers: of each request.
        seconds: receives how long each took until it was accepted.
    """
    with requests.Session() as session:
        for _, body in encoded:
            began = time.perf_counter()
            while True:
                answer = post(session, address, body, headers)
                if answer.status_code != requests.codes.unavailable:
                    answer.raise_for_status()
                    break
                time.sleep(float(answer.headers["Retry-After"]))
            if seconds is not None:
                seconds.append(time.perf_counter() - began)
    return sum(spans for spans, _ in encoded)


def post(session: requests.Session, address: str, body: bytes, headers: Mapping[str, str]) -> requests.Response:
    """One request."""
    every = {"Content-Type": "application/x-protobuf", **headers}
    return session.post(f"{address}/v1/traces", body, headers=every, timeout=120)


def metric(address: str, name: str) -> float:
    """Return a metric of a bridge, without labels; the sum over its labels if it has some."""
    text = requests.get(f"{address}/metrics", timeout=120).text
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
    return sum(float(value) for _, _, value in lines)
