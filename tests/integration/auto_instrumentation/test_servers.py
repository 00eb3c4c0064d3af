"""Services with forked workers under `opentelemetry-instrument`: the spans of every worker arrive."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.request
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.code_blocks import covered_blocks, exported
from tests.support.instrumented_process import start_instrumented
from tests.support.mlflow_server import free_port
from tests.support.mlflow_tree import read_tree
from tests.support.otlp_receiver import otlp_receiver
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Generator

SERVICE = "tests.integration.auto_instrumentation.service"
BIN = Path(sys.executable).parent
REQUESTS = 24
"""At least so many questions."""
SERVERS = {
    "gunicorn": [BIN / "gunicorn", "--workers", "2", "--bind", "127.0.0.1:{port}", f"{SERVICE}:wsgi"],
    "gunicorn-preload": [BIN / "gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:{port}", f"{SERVICE}:wsgi"],
    # uvicorn kills a worker that does not answer it for 5 s, as one does not that imports DSPy on a loaded machine.
    "uvicorn": [
        BIN / "uvicorn", "--workers", "2", "--port", "{port}", "--timeout-worker-healthcheck", "120", f"{SERVICE}:asgi",
    ],
}  # fmt: skip


@contextmanager
def serving(kind: str, **variables: str) -> Generator[str]:
    """A server with two workers; its address. It is ended as an administrator does, by SIGTERM."""
    port = free_port()
    command = [str(part).format(port=port) for part in SERVERS[kind]]
    with start_instrumented(*command, **variables) as process:
        try:
            address = f"http://127.0.0.1:{port}/?question="
            ready: set[int] = set()
            deadline = time.monotonic() + PATIENCE
            while len(ready) < 2:
                assert process.poll() is None, process.communicate()[0]
                with suppress(OSError), ThreadPoolExecutor(4) as pool:
                    ready.update(pool.map(ask, [f"{address}0%2B0"] * 4))
                assert time.monotonic() < deadline
                time.sleep(0.5)
            yield address
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def ask(address: str) -> int:
    """The process that answered."""
    with urllib.request.urlopen(address, timeout=PATIENCE) as answer:  # noqa: S310 - always http on loopback
        return int(json.load(answer)["process"])


def ask_much(address: str) -> list[str]:
    """Questions that were asked, each another one, until each worker has answered some: connections are its who is first."""
    workers: set[int] = set()
    asked: list[str] = []
    deadline = time.monotonic() + PATIENCE
    with ThreadPoolExecutor(6) as pool:
        while len(workers) < 2:
            assert time.monotonic() < deadline
            numbers = range(len(asked), len(asked) + REQUESTS)
            workers.update(pool.map(ask, [f"{address}{number}%2B1" for number in numbers]))
            asked += [f'{{"question":"{number}+1"}}' for number in numbers]
    return asked


# In `make test`, gunicorn's forks are proved by the traces in MLflow.
@pytest.mark.parametrize(
    "kind", ["uvicorn", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("gunicorn", "gunicorn-preload"))]
)
def test_spans_of_every_worker_arrive_by_otlp(kind: str) -> None:
    """Every question is one trace, exported by the worker that answered it, after a SIGTERM right behind the last.

    The settings are those of the documentation; but all traces are sampled, with their content.
    """
    [block] = covered_blocks("test_spans_of_every_worker_arrive_by_otlp")
    with otlp_receiver() as receiver:
        own = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_TRACES_SAMPLER_ARG": "1",
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
        }
        with serving(kind, **exported(block) | own) as address:
            questions = ask_much(address)
        spans = receiver.spans()
    asked = Counter(
        attribute.value.string_value
        for span in spans
        for attribute in span.attributes
        if attribute.key == "dspy.module.input"
    )
    assert [asked[question] for question in questions] == [1] * len(questions)
    roots = [span for span in spans if not span.parent_span_id]
    assert len(roots) == len({span.trace_id for span in spans})


@pytest.mark.parametrize(
    "kind",
    ["gunicorn-preload", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("gunicorn", "uvicorn"))],
)
def test_traces_of_every_worker_are_in_mlflow(kind: str, server_uri: str) -> None:
    """Every question is one complete trace in MLflow."""
    experiment = f"service-{uuid.uuid4().hex[:8]}"
    with serving(
        kind, OTEL_TRACES_EXPORTER="mlflow", MLFLOW_TRACKING_URI=server_uri, MLFLOW_EXPERIMENT_NAME=experiment
    ) as address:
        questions = ask_much(address)
    traces = read_tree(server_uri, experiment).traces
    asked = Counter(trace.request_preview for trace in traces)
    assert [asked[question] for question in questions] == [1] * len(questions)
    assert {(trace.state, len(list(trace.walk()))) for trace in traces} == {("OK", 2)}
