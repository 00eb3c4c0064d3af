"""Benchmark: time and memory of a comparison of two optimizations, beside reading them through MLflow's client.

`python -m benchmarks.compare` writes optimizations into a store on sqlite, as otel-dspy lays them out, and reads two of
them in turn by both. The client downloads and parses all artifacts of all trials; the comparison reads those of the
winners.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import tracemalloc
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlflow import MlflowClient

import otel_dspy
from benchmarks.report import read_by_client, seconds, write
from benchmarks.results import save, table
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from benchmarks.results import Row

SIZES: Final = ((20, 200), (200, 200))
"""Trials, and examples of the validation set."""


def read_both(uri: str, runs: str) -> None:
    """Read two runs, whose ids are separated by a blank, by MLflow's client."""
    for run_id in runs.split():
        read_by_client(uri, run_id)


def compared(uri: str, runs: str) -> None:
    """Compare them, and render text and page."""
    found = otel_dspy.compare(*runs.split(), tracking_uri=uri)
    assert found.text
    assert found.html


def peak(uri: str, runs: str) -> int:
    """Return the most memory that Python's objects of a comparison take, in KB."""
    tracemalloc.start()
    compared(uri, runs)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most // 1000


def main() -> None:
    """Run the benchmark and save its results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri = blank_store(folder)
        client = MlflowClient(uri)
        experiment = client.create_experiment("compare", artifact_location=(folder / "artifacts").as_uri())
        for trials, examples in SIZES:
            runs = " ".join(write(client, experiment, trials, examples) for _ in range(2))
            times = [(seconds(read_both, uri, runs), seconds(compared, uri, runs)) for _ in range(chosen.rounds + 1)]
            theirs, ours = (statistics.median(column) for column in zip(*times[1:], strict=True))
            rows.append(
                {
                    "trials": trials, "examples": examples, "MLflow's client, s": round(theirs, 2),
                    "compare, s": round(ours, 2), "ratio": round(ours / theirs, 2), "peak, KB": peak(uri, runs),
                }
            )  # fmt: skip
    print(table(rows))
    save("compare", rows, {package: version(package) for package in ("mlflow", "scipy", "jinja2")})


if __name__ == "__main__":
    main()
