"""A web application whose requests optimize: several at once, one process, one MLflow; what is recorded keeps apart."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import httpx
import pytest
import uvicorn
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.integration.end_to_end.conftest import tracked
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.mlflow_server import free_port
from tests.support.mlflow_tree import read_tree
from tests.support.optimizer_runs import drawn

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tests.support.mlflow_tree import RunNode

SIZES: Final = range(3, 7)
"""Examples of each optimization, by which it is known again."""
_together = threading.Barrier(len(SIZES))


def _optimize(size: int, *, wait: bool) -> tuple[Any, list[Any]]:
    if wait:
        _together.wait(60)
    optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
        exact, num_candidate_programs=1, num_threads=2, max_bootstrapped_demos=1, max_labeled_demos=1
    )
    with dspy.context(lm=addition_lm()):
        program = dspy.ChainOfThought("question -> answer")
        best = optimizer.compile(program, trainset=examples(size), restrict=[-3, -1])
    return best, [candidate["score"] for candidate in best.candidate_programs]


def _asked(request: Request) -> tuple[int, bool]:
    return int(request.path_params["size"]), request.query_params["wait"] == "yes"


async def _awaited(request: Request) -> JSONResponse:
    """On a thread of the event loop's; then the program is called on the loop itself, beside the other requests."""
    size, wait = _asked(request)
    best, scores = await asyncio.to_thread(_optimize, size, wait=wait)
    with dspy.context(lm=addition_lm()):
        answer = await best.acall(question=f"{size}+1")
    return JSONResponse({"scores": scores, "answer": answer.answer})


def _in_the_pool(request: Request) -> JSONResponse:
    """Starlette runs a plain function on a thread of its pool."""
    size, wait = _asked(request)
    best, scores = _optimize(size, wait=wait)
    with dspy.context(lm=addition_lm()):
        return JSONResponse({"scores": scores, "answer": best(question=f"{size}+1").answer})


class _Traced:
    """A server span around each request, by the application's own provider, which MLflow does not receive."""

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        self._app = app
        self._tracer = provider.get_tracer("web")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        with self._tracer.start_as_current_span(f"POST {scope['path']}", kind=SpanKind.SERVER):
            return await self._app(scope, receive, send)


@contextmanager
def _served(provider: TracerProvider) -> Generator[str]:
    """The application behind a real server; its address."""
    app = Starlette(
        routes=[
            Route("/awaited/{size}", _awaited, methods=["POST"]),
            Route("/pool/{size}", _in_the_pool, methods=["POST"]),
        ]
    )
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(_Traced(app, provider), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, name="web")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def _requested(address: str, size: int, *, wait: bool) -> dict[str, Any]:
    way = "awaited" if size % 2 else "pool"
    answer = httpx.post(f"{address}/{way}/{size}", params={"wait": "yes" if wait else "no"}, timeout=300)
    return cast("dict[str, Any]", answer.raise_for_status().json())


def _recorded(run: RunNode) -> Any:
    """The run and all below it as drawn, and the traces and scores of each."""
    return list(drawn(run)), [
        Counter((trace.name, trace.state, tuple((found.name, found.value) for found in trace.assessments)) for trace in node.traces)
        for node in run.walk()
    ]  # fmt: skip


def _by_size(runs: tuple[RunNode, ...]) -> dict[int, RunNode]:
    return {len(run.artifacts["trainset.json"]["data"]): run for run in runs}


@pytest.mark.slow  # the short form: tests/conformance/optimizers/test_concurrency.py
@pytest.mark.contract_gaps("its parent was never exported")  # the request's span, which the application keeps to itself
def test_requests_that_optimize_at_once(server_uri: str) -> None:
    """Steps, scores, tables and traces of each are what they are when it is the only request, and so is its answer."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with _served(provider) as address:
        with tracked(server_uri, "web, one by one"):
            alone = [_requested(address, size, wait=False) for size in SIZES]
        with tracked(server_uri, "web, at once"), ThreadPoolExecutor(len(SIZES)) as clients:
            pending = [clients.submit(_requested, address, size, wait=True) for size in SIZES]
            together = [answer.result() for answer in pending]
    assert together == alone
    expected, tree = read_tree(server_uri, "web, one by one"), read_tree(server_uri, "web, at once")
    found = _by_size(tree.runs)
    assert sorted(found) == list(SIZES)
    assert {size: _recorded(run) for size, run in found.items()} == {
        size: _recorded(run) for size, run in _by_size(expected.runs).items()
    }
    for size, answer in zip(SIZES, together, strict=True):
        trials = [child for child in found[size].children if "dspy.trial.index" in child.tags]
        assert sorted(trial.metrics["score/full"][0][1] for trial in trials) == sorted(answer["scores"])
        # Each trace holds the spans of one call alone, with that optimization's examples in it.
        for trial in trials:
            asked = sorted(trace.spans[0].inputs["question"] for trace in trial.traces)
            assert asked == sorted(f"{number}+1" for number in range(size))
    # The call after the optimization is in no run.
    assert sorted(trace.spans[0].inputs["question"] for trace in tree.traces) == [f"{size}+1" for size in SIZES]
    assert {span.name.split()[0] for span in exporter.get_finished_spans()} == {"POST"}
