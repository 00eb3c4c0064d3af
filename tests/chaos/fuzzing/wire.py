"""Client that sends mutated requests to a bridge on loopback, over HTTP and gRPC."""

from __future__ import annotations

import base64
import gzip
import os
import random
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import requests
from mlflow import MlflowClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_dspy.bridge.servers.grpc_server import SERVICE
from tests.chaos.fuzzing.mutations import cases
from tests.support.blank_store import blank_store
from tests.support.bridge_process import bridge_process
from tests.support.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from tests.chaos.fuzzing.mutations import Case
    from tests.support.bridge_process import BridgeProcess

TIMEOUT: Final = 120
"""Seconds that an answer may take."""
STATUSES: Final = frozenset({200, 400, 413, 503})
CODES: Final = frozenset({"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNAVAILABLE"})
AGAIN: Final = 5
"""How often a request is sent again that the bridge asks for again."""
CLIENTS: Final = 16
"""Requests at once: what comes together is committed together, so more clients are more requests a second."""
SAMPLES: Final = 100
"""How often memory is looked at."""
EXPERIMENT: Final = "fuzzed"
MAX_REQUEST: Final = 32 * 1024
MAX_WAITING: Final = 64 * 1024
"""Bytes, so that both limits are met: one request in a hundred is larger, and so are now and then 16 at once."""


class Sender:
    """One client of a bridge, with an HTTP and a gRPC connection that are kept."""

    def __init__(self, bridge: BridgeProcess, port: int, stack: ExitStack) -> None:
        """Connect. `port`: where the bridge takes gRPC."""
        self._bridge = bridge
        self._session = stack.enter_context(requests.Session())
        untyped = cast("Any", grpc)
        # Channels with the same options would share one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel: Any = stack.enter_context(untyped.insecure_channel(f"127.0.0.1:{port}", options))
        self._error: type[Exception] = untyped.RpcError
        self._export: Any = channel.unary_unary(f"/{SERVICE}/Export", response_deserializer=None)

    def send(self, case: Case, number: int, *, by_grpc: bool) -> tuple[str, bool]:
        """Send one, until the bridge takes it or sends it away for good: the answer, and whether it is one of OTLP's."""
        attempts = 0
        while True:
            try:
                answer, known = self._grpc(case) if by_grpc else self._http(case, number)
            except requests.RequestException as error:
                return f"HTTP no answer: {type(error).__name__}", False
            attempts += 1
            if answer not in {"HTTP 503", "gRPC UNAVAILABLE"} or attempts > AGAIN:
                return answer, known
            time.sleep(2)

    def _http(self, case: Case, number: int) -> tuple[str, bool]:
        kind = "application/json" if case.json else "application/x-protobuf"
        headers = {"Content-Type": kind, "x-mlflow-experiment-name": EXPERIMENT}
        body = case.body
        if number % 3 == 0:
            headers["Content-Encoding"], body = "gzip", gzip.compress(body, 1)
        answer = self._session.post(f"{self._bridge.http}/v1/traces", body, headers=headers, timeout=TIMEOUT)
        return f"HTTP {answer.status_code}", answer.status_code in STATUSES

    def _grpc(self, case: Case) -> tuple[str, bool]:
        try:
            ExportTraceServiceResponse.FromString(self._export(case.body, timeout=TIMEOUT))
        except self._error as error:
            code = str(cast("Any", error).code().name)
            return f"gRPC {code}", code in CODES
        return "gRPC OK", True


class Fuzzing:
    """Mutated requests from several clients to one bridge, and what came of them."""

    def __init__(self, bridge: BridgeProcess, next_case: Callable[[], Case], count: int, seconds: float) -> None:
        """Create it.

        Args:
            bridge: gets the requests.
            next_case: makes one; called under a lock.
            count: how many requests are sent.
            seconds: after which no more are sent.
        """
        self._bridge = bridge
        self._next_case = next_case
        self._count = count
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self.sent: Counter[str] = Counter()
        """Requests by protocol and encoding."""
        self.answers: Counter[str] = Counter()
        self.faults: list[str] = []
        self.memory: list[float] = []
        self.kept: set[tuple[str, str]] = set()
        self.slowest = 0.0

    def send_with(self, sender: Sender) -> None:
        """Send until there is nothing left to send."""
        while (taken := self._take()) is not None:
            number, case, by_grpc = taken
            began = time.monotonic()
            answer, known = sender.send(case, number, by_grpc=by_grpc)
            with self._lock:
                self._note(case, answer, time.monotonic() - began, known=known)

    def _take(self) -> tuple[int, Case, bool] | None:
        with self._lock:
            number = self.sent.total()
            # All that is left is of no use once the bridge has gone.
            if number >= self._count or time.monotonic() >= self._end or self._bridge.process.poll() is not None:
                return None
            case = self._next_case()
            # JSON goes by HTTP alone. The other half of all requests goes by gRPC.
            by_grpc = not case.json and self.sent["gRPC protobuf"] * 2 <= number
            self.sent["gRPC protobuf" if by_grpc else f"HTTP {'JSON' if case.json else 'protobuf'}"] += 1
            if number % max(1, self._count // SAMPLES) == 0:
                self.memory.append(_resident(self._bridge))
        return number, case, by_grpc

    def _note(self, case: Case, answer: str, seconds: float, *, known: bool) -> None:
        self.slowest = max(self.slowest, seconds)
        self.answers[answer] += 1
        status = self._bridge.process.poll()
        if not known or status is not None:
            body = base64.b64encode(case.body).decode()
            self.faults.append(f"{answer}, exit status {status}: {'JSON' if case.json else 'protobuf'} {body}")
        if answer in {"HTTP 200", "gRPC OK"}:
            self.kept |= case.kept


def send_all(
    real: Sequence[ExportTraceServiceRequest], count: int, seed: int, seconds: float, *, forked: bool
) -> dict[str, Any]:
    """Send so many mutated requests, for so many seconds at most, and look for the good spans in MLflow afterwards."""
    case = cases(real, random.Random(seed))  # noqa: S311 - chance, no secret
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store, port = blank_store(folder), free_port()
        MlflowClient(store).create_experiment(EXPERIMENT, (folder / "artifacts").as_uri())
        bridge = stack.enter_context(
            bridge_process(
                store,
                EXPERIMENT,
                port,
                forked=forked,
                max_request_bytes=str(MAX_REQUEST),
                max_waiting_bytes=str(MAX_WAITING),
            )
        )
        fuzzing = Fuzzing(bridge, case, count, seconds)
        clients = [
            threading.Thread(target=fuzzing.send_with, args=(Sender(bridge, port, stack),)) for _ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        fuzzing.memory.append(_resident(bridge))
        kept = fuzzing.kept - _pieces(real)
        missing = sorted(kept - stored(folder / "mlflow.db"))
    return {
        "requests": fuzzing.sent.total(),
        "sent": dict(fuzzing.sent),
        "verdicts": dict(fuzzing.answers),
        "good spans kept": len(kept),
        "slowest, s": round(fuzzing.slowest, 2),
        "MiB": [round(value) for value in fuzzing.memory],
        "faults": fuzzing.faults + [f"a good span is not in MLflow: {name}" for name in missing],
    }


def stored(database: Path) -> set[tuple[str, str]]:
    """Trace and span ids of the spans in MLflow."""
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT trace_id, span_id FROM spans").fetchall()
    return {(str(trace).removeprefix("tr-"), str(span)) for trace, span in found}


def _pieces(real: Sequence[ExportTraceServiceRequest]) -> set[tuple[str, str]]:
    """Trace and span ids of pieces of large texts: MLflow gets the text with its span, and no span for a piece."""
    return {
        (span.trace_id.hex(), span.span_id.hex())
        for request in real
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
        if span.name == "payload"
    }


def _resident(bridge: BridgeProcess) -> float:
    pages = int(Path(f"/proc/{bridge.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
