"""Fuzz the bridge: `python -m tests.chaos.fuzzing.run --requests 1000000`, and over the wire `--wire 10000`.

In process a request is read, placed, routed and mapped to operations on MLflow. Over the wire it goes to a bridge
process on loopback, by HTTP (protobuf and JSON, every third zipped) and gRPC in turn, and on to an MLflow on sqlite.

The exit status is 1 if anything was raised, if a good span was not kept, if a request took longer than `--hang` seconds,
if memory grew beyond `--memory` MiB, or if the bridge answered with anything but taken, malformed, too large or later.
A request at fault is printed in base64.
"""

from __future__ import annotations

import argparse
import base64
import faulthandler
import json
import logging
import random
import sys
import tempfile
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.memory import resident
from tests.chaos.fuzzing.corpus import corpus
from tests.chaos.fuzzing.mutations import cases
from tests.chaos.fuzzing.target import Target
from tests.chaos.fuzzing.wire import send_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SAMPLES = 50
"""How often memory is looked at."""


def in_process(requests: Sequence[ExportTraceServiceRequest], count: int, seed: int, hang: float) -> dict[str, Any]:
    """Examine so many mutated requests; what came of it.

    A request that takes longer than `hang` seconds ends the process with all its stacks on standard error.
    """
    case, target = cases(requests, random.Random(seed)), Target()  # noqa: S311 - chance, no secret
    faults: list[str] = []
    memory: list[float] = []
    slowest = 0.0
    for number in range(count):
        given = case()
        if number % 100 == 0:
            faulthandler.dump_traceback_later(hang, exit=True)
        began = time.monotonic()
        try:
            target.examine(given)
        except Exception:  # noqa: BLE001 - whatever it is, it is what was looked for
            faults.append(f"{traceback.format_exc()}\n{given.json} {base64.b64encode(given.body).decode()}")
        slowest = max(slowest, time.monotonic() - began)
        if number % max(1, count // SAMPLES) == 0:
            memory.append(round(resident()))
    faulthandler.cancel_dump_traceback_later()
    return {
        "requests": count,
        "verdicts": dict(target.verdicts),
        "spans read": target.spans,
        "good spans kept": target.kept,
        "slowest, s": round(slowest, 2),
        "MiB": memory,
        "faults": faults,
    }


def real_requests() -> Sequence[ExportTraceServiceRequest]:
    """The corpus, without what the optimizers print."""
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        return corpus(Path(folder))


def main() -> None:
    """Fuzz and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=0, help="how many in process")
    parser.add_argument("--wire", type=int, default=0, help="how many over HTTP and gRPC")
    parser.add_argument("--seconds", type=float, default=3600, help="stop sending over the wire after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hang", type=float, default=120)
    parser.add_argument("--memory", type=float, default=200, help="MiB that memory may grow after the first tenth")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    requests = real_requests()
    wrong = False
    for name, found in (
        ("in process", options.requests and in_process(requests, options.requests, options.seed, options.hang)),
        (
            "over the wire",
            options.wire and send_all(requests, options.wire, options.seed, options.seconds, forked=False),
        ),
    ):
        if not found:
            continue
        memory: list[float] = found["MiB"]
        grown = max(memory) - memory[len(memory) // 10]
        wrong |= bool(found["faults"]) or grown > options.memory
        figures = found | {"faults": len(found["faults"]), "MiB": [memory[len(memory) // 10], max(memory)]}
        sys.stdout.write(f"{name} {json.dumps(figures)}\n")
        for fault in found["faults"][:20]:
            sys.stdout.write(f"{fault}\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
