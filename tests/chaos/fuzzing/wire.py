"""Mutated requests to a real bridge on loopback, by HTTP and gRPC."""

from __future__ import annotations

import gzip
import os
import random
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import requests
from mlflow import MlflowClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_dspy.bridge.grpc_server import SERVICE
from tests.blank_store import blank_store
from tests.bridge_process import bridge_process
from tests.chaos.fuzzing.mutations import cases
from tests.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from tests.bridge_process import BridgeProcess
    from tests.chaos.fuzzing.mutations import Case

TIMEOUT: Final = 120
"""Seconds that an answer may take."""
STATUSES: Final = frozenset({200, 400, 413, 503})
CODES: Final = frozenset({"OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNAVAILABLE"})
AGAIN: Final = 5
"""How often a request is sent again that the bridge asks for again."""


class Sender:
    """One client of a bridge, with an HTTP and a gRPC connection."""

    def __init__(self, bridge: BridgeProcess, port: int, stack: ExitStack) -> None:
        """Connect. `port`: where the bridge takes gRPC."""
        self._bridge = bridge
        self._session = stack.enter_context(requests.Session())
        untyped = cast("Any", grpc)
        channel: Any = stack.enter_context(untyped.insecure_channel(f"127.0.0.1:{port}"))
        self._error: type[Exception] = untyped.RpcError
        self._export: Any = channel.unary_unary(f"/{SERVICE}/Export", response_deserializer=None)

    def send(self, case: Case, number: int) -> tuple[str, bool]:
        """Send one, until the bridge takes it or sends it away for good: the answer, and whether it is one of OTLP's."""
        for _ in range(AGAIN):
            answer, known = self._once(case, number)
            if answer not in {"HTTP 503", "gRPC UNAVAILABLE"}:
                return answer, known
            time.sleep(2)
        return self._once(case, number)

    def _once(self, case: Case, number: int) -> tuple[str, bool]:
        return self._grpc(case) if number % 2 and not case.json else self._http(case, number)

    def _http(self, case: Case, number: int) -> tuple[str, bool]:
        kind = "application/json" if case.json else "application/x-protobuf"
        headers = {"Content-Type": kind, "x-mlflow-experiment-name": "fuzzed"}
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


def send_all(real: Sequence[ExportTraceServiceRequest], count: int, seed: int, seconds: float) -> dict[str, Any]:
    """Send so many mutated requests, for so many seconds at most, and look for the good spans in MLflow afterwards."""
    case = cases(real, random.Random(seed))  # noqa: S311 - chance, no secret
    answers: Counter[str] = Counter()
    faults: list[str] = []
    memory: list[float] = []
    kept: set[tuple[str, str]] = set()
    sent, slowest, began = 0, 0.0, time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store, port = blank_store(folder), free_port()
        MlflowClient(store).create_experiment("fuzzed", (folder / "artifacts").as_uri())
        bridge = stack.enter_context(bridge_process(store, "fuzzed", port))
        sender = Sender(bridge, port, stack)
        while sent < count and time.monotonic() - began < seconds:
            given, at = case(), time.monotonic()
            try:
                answer, known = sender.send(given, sent)
            except requests.RequestException as error:
                answer, known = f"no answer: {type(error).__name__}", False
            slowest = max(slowest, time.monotonic() - at)
            answers[answer] += 1
            if not known or bridge.process.poll() is not None:
                faults.append(f"{answer}, exit status {bridge.process.poll()}: {given.body!r}")
            if answer in {"HTTP 200", "gRPC OK"}:
                kept |= given.kept
            if sent % 50 == 0:
                memory.append(_resident(bridge))
            sent += 1
        memory.append(_resident(bridge))
        faults += [f"a good span is not in MLflow: {name}" for name in sorted(kept - stored(folder / "mlflow.db"))]
    return {
        "requests": sent,
        "verdicts": dict(answers),
        "good spans kept": len(kept),
        "slowest, s": round(slowest, 2),
        "MiB": [round(value) for value in memory],
        "faults": faults,
    }


def stored(database: Path) -> set[tuple[str, str]]:
    """Trace and span ids of the spans in MLflow."""
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT trace_id, span_id FROM spans").fetchall()
    return {(str(trace).removeprefix("tr-"), str(span)) for trace, span in found}


def _resident(bridge: BridgeProcess) -> float:
    pages = int(Path(f"/proc/{bridge.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
