"""Benchmark: CPU time of a bridge for a span, from the request's bytes to an sqlite database, in one process.

`python -m benchmarks.bridge_cpu`. Other work on the machine disturbs CPU time less than a rate, and the numbers of
statements and of transactions not at all. Without the servers and the queue of a bridge, and without reports.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import mlflow
from sqlalchemy import event
from sqlalchemy.engine import Engine

from benchmarks.bridge_load import requests_of
from benchmarks.results import table
from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.bridge.multi_writer.multi_writer_pipeline import MultiWriterPipeline
from otel_dspy.bridge.pending_request import PendingRequest
from tests.support.blank_store import blank_store


def cpu(pipeline: MultiWriterPipeline, experiments: ExperimentRouter, program: int, trials: int) -> tuple[int, float]:
    """Write an optimization; return its number of spans and the CPU seconds."""
    bodies = [body for _, body in requests_of(program, trials)]
    began, spans = time.process_time(), 0
    for body in bodies:
        request = PendingRequest(body, json=False, experiment=None, workspace=None, experiments=experiments)
        request.check()
        for span, route in request:
            pipeline.process(span, route)
            spans += 1
    pipeline.send_all()
    return spans, time.process_time() - began


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=4, help="number of trials of 100 examples, three spans each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-freeze", action="store_true", help="the garbage collector visits imported modules")
    options = parser.parse_args()
    os.environ["OTEL_DSPY_REPORT"] = "false"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri = blank_store(folder)
        mlflow.MlflowClient(uri).create_experiment("e", (folder / "files").as_uri())
        pipeline, experiments = MultiWriterPipeline(threading.Event()), ExperimentRouter(uri, "e")
        cpu(pipeline, experiments, 1, 1)
        if not options.no_freeze:  # as a bridge does once it has written
            gc.collect()
            gc.freeze()
        counts: Counter[str] = Counter()
        event.listen(Engine, "before_cursor_execute", lambda *_: counts.update(["statements"]))
        event.listen(Engine, "commit", lambda *_: counts.update(["transactions"]))
        found = [cpu(pipeline, experiments, program, options.trials) for program in range(2, 2 + options.rounds)]
        each = sorted(1000 * seconds / spans for spans, seconds in found)
        times = {"ms a span": each[len(each) // 2], "least": each[0], "most": each[-1]}
        print(table([{"spans": found[0][0], **times, **{name: count // len(found) for name, count in counts.items()}}]))


if __name__ == "__main__":
    main()
