"""Benchmark: the report's page beside GEPA's tree page and Optuna's plots of the same trials.

`python -m benchmarks.report_peers` starts a process for each page, in the environment of the library that draws it. The
trials are in memory already: reading them from MLflow is what `benchmarks.report` measures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlflow import MlflowClient

from benchmarks.environments import REQUIREMENTS, environment
from benchmarks.processes import result_of
from benchmarks.report import write
from benchmarks.report_data import SIZES
from benchmarks.results import pinned, save, table
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from benchmarks.results import Row

_PEERS: Final = "report-peers"
_PAGES: Final = {
    "otel-dspy's report": "report",
    "GEPA's tree": "gepa",
    "Optuna's history, slices, parallel coordinates": "optuna",
}
"""What is shown -> the name by which `report_peers_worker` draws it."""


def rows_of(uri: str, experiment: str, rounds: int) -> list[Row]:
    """Measure each page at each size."""
    peers = str(environment(_PEERS))
    rows: list[Row] = []
    for trials, examples in SIZES:
        run_id = write(MlflowClient(uri), experiment, trials, examples)
        for name, page in _PAGES.items():
            source = [uri, run_id] if page == "report" else []
            numbers = map(str, (trials, examples, rounds))
            measured: Row = result_of(
                "benchmarks.report_peers_worker", page, *numbers, *source, python=sys.executable if source else peers
            )
            rows.append({"page": name, "trials": trials, "examples": examples, **measured})
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="save the results")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri = blank_store(folder)
        experiment = MlflowClient(uri).create_experiment("report", artifact_location=(folder / "artifacts").as_uri())
        rows = rows_of(uri, experiment, chosen.rounds)
    print(table(rows))
    if chosen.keep:
        peers = pinned(("gepa", "optuna", "plotly"), REQUIREMENTS / f"{_PEERS}.txt")
        save("report_peers", rows, {**{package: version(package) for package in ("jinja2", "scipy")}, **peers})


if __name__ == "__main__":
    main()
