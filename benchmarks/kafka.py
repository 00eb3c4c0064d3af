"""Benchmark: throughput from an agent Collector through Kafka, two gateways and two bridges into MLflow on PostgreSQL.

`python -m benchmarks.kafka`. The load is that of `benchmarks.bridge`: four programs, each with an optimization. As
many spans go to MLflow's own ingest, and straight to the two bridges; all cases share one MLflow server and its
database.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice, repeat
from typing import TYPE_CHECKING, Final

import mlflow
import pytest

from benchmarks.bridge_load import requests_of, send
from benchmarks.environments import ROOT
from benchmarks.kafka_pipe import PACKAGES, pipe
from benchmarks.results import pinned, save, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.results import Row

PROGRAMS: Final = 4
_WAIT: Final = 900.0
"""Seconds that the spans of a case may take to be stored."""


def throughput(trials: int) -> list[Row]:
    """Return a row per way into MLflow.

    Raises:
        TimeoutError: MLflow's database does not have all spans of a case in time.
    """
    rows: list[Row] = []
    programs = iter(range(1, 10_000))
    with pipe() as built:
        experiment = mlflow.MlflowClient(built.server.uri).create_experiment("bare")

        def measure(case: str, addresses: Sequence[str], headers: Mapping[str, str]) -> None:
            encoded = [list(requests_of(program, trials)) for program in islice(programs, PROGRAMS)]
            spans = sum(count for one in encoded for count, _ in one)
            before, began = built.stored(), time.perf_counter()
            with ThreadPoolExecutor(PROGRAMS) as pool:
                list(pool.map(send, cycle(addresses), encoded, repeat(headers)))
            acknowledged = time.perf_counter() - began
            while built.stored() - before < spans:
                if time.perf_counter() - began > _WAIT:
                    raise TimeoutError(f"{case}: {built.stored() - before} of {spans} spans are stored")
                time.sleep(0.2)
            seconds = time.perf_counter() - began
            bare = rows[0]["spans a second"] if rows else spans / seconds
            rows.append(
                {
                    "spans by way of": case,
                    "spans": spans,
                    "acknowledged after, s": round(acknowledged, 1),
                    "stored after, s": round(seconds, 1),
                    "spans a second": round(spans / seconds),
                    "of MLflow's own ingest": round(spans / seconds / bare, 2),
                }
            )
            print(table(rows[-1:]), f"load average: {os.getloadavg()[0]:.0f}", flush=True)

        measure("MLflow's own ingest", [built.server.uri], {"x-mlflow-experiment-id": experiment})
        measure("two bridges", built.bridges, {})
        measure("agent, Kafka, two gateways, two bridges", [built.agent], {})
    return rows


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=3, help="number of trials of each program")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    try:
        rows = throughput(options.trials)
    except pytest.skip.Exception as reason:
        print(f"skipped: {reason}")
        return
    if options.keep:
        save("kafka", rows, pinned(PACKAGES, ROOT / "requirements" / "dev.txt"))


if __name__ == "__main__":
    main()
