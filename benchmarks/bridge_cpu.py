"""Benchmark: CPU time of a bridge for a span, from the request's bytes to an sqlite database, in one process.

`python -m benchmarks.bridge_cpu`. Other work on the machine disturbs CPU time less than a rate, and the numbers of
statements, of transactions and of instructions (`--instructions`) hardly or not at all. Without the servers and the
queue of a bridge, and without reports.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
from sqlalchemy import event
from sqlalchemy.engine import Engine

from benchmarks.bridge_load import requests_of
from benchmarks.instructions import Counter as Instructions
from benchmarks.instructions import is_counted, run_counted
from benchmarks.results import table
from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.bridge.garbage_collection import THRESHOLDS
from otel_dspy.bridge.multi_writer.multi_writer_pipeline import MultiWriterPipeline
from otel_dspy.bridge.pending_request import PendingRequest
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.results import Row


def write(pipeline: MultiWriterPipeline, experiments: ExperimentRouter, bodies: Sequence[bytes]) -> int:
    """Write the requests of an optimization; return the number of its spans."""
    spans = 0
    for body in bodies:
        request = PendingRequest(body, json=False, experiment=None, workspace=None, experiments=experiments)
        request.check()
        for span, route in request:
            pipeline.process(span, route)
            spans += 1
    pipeline.send_all()
    return spans


def measured(write_all: Callable[[], int], rounds: int) -> Row:
    """Return the CPU time of a span, and the statements and transactions of an optimization.

    Args:
        write_all: writes an optimization; returns the number of its spans.
        rounds: number of optimizations.
    """
    counts: Counter[str] = Counter()
    event.listen(Engine, "before_cursor_execute", lambda *_: counts.update(["statements"]))
    event.listen(Engine, "commit", lambda *_: counts.update(["transactions"]))
    each: list[float] = []
    spans = 0
    for _ in range(rounds):
        began = time.process_time()
        spans = write_all()
        each.append(1000 * (time.process_time() - began) / spans)
    each.sort()
    times = {"ms a span": each[len(each) // 2], "least": each[0], "most": each[-1]}
    return {"spans": spans, **times, **{name: count // rounds for name, count in counts.items()}}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=4, help="number of trials of 100 examples, three spans each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-freeze", action="store_true", help="the garbage collector runs as in any program")
    parser.add_argument("--instructions", action="store_true", help="count instructions; needs valgrind, takes minutes")
    options = parser.parse_args()
    if options.instructions and not is_counted():
        run_counted("benchmarks.bridge_cpu", sys.argv[1:], "instructions")
        return
    os.environ["OTEL_DSPY_REPORT"] = "false"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri = blank_store(folder)
        mlflow.MlflowClient(uri).create_experiment("e", (folder / "files").as_uri())
        pipeline, experiments = MultiWriterPipeline(threading.Event()), ExperimentRouter(uri, "e")
        bodies = (
            [body for _, body in requests_of(program, 1 if program == 1 else options.trials)]
            for program in range(1, 2 + options.rounds)
        )
        write(pipeline, experiments, next(bodies))
        if not options.no_freeze:  # as a bridge does once it has written
            gc.collect()
            gc.freeze()
            gc.set_threshold(*THRESHOLDS)
        if options.instructions:
            chosen, spans = next(bodies), list[int]()
            count = Instructions("instructions").count(lambda: spans.append(write(pipeline, experiments, chosen)))
            print(table([{"spans": spans[0], "instructions a span": count // spans[0]}]))
            return
        every = list(bodies)
        print(table([measured(lambda: write(pipeline, experiments, every.pop()), len(every))]))


if __name__ == "__main__":
    main()
