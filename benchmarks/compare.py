"""Benchmark: comparing two optimizations, running one again, and running one trial again, beside reading their traces.

`python -m benchmarks.compare --store FOLDER` writes optimizations with a trace for each trial and example into a store
on sqlite, if the folder does not have them yet. In one process and in turn it reads the traces of an optimization by
`MlflowClient.search_traces`, compares the optimization with another one, reads its calls for `replay_lm`, and runs a
trial again. Memory is that of a process forked for one of these: its peak above what it had at the start.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dspy
from mlflow import MlflowClient

import otel_dspy
from benchmarks.processes import resident
from benchmarks.recorded_store import model, program, store
from benchmarks.results import save, table
from otel_dspy import semconv
from otel_dspy.mlflow.tracking.store.paging import every_page
from otel_dspy.rerun.replay_lm.api import recorded_calls
from otel_dspy.rerun.rerun_trial import rerun_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.recorded_store import Recorded
    from benchmarks.results import Row

SIZES: Final = ((50, 50), (200, 50), (200, 200))
"""Trials, and examples of the validation set."""
_TRIAL: Final = 1


def search_traces(uri: str, run: Recorded) -> None:
    """Read all traces of an optimization with their spans by MLflow's client."""
    client: Any = MlflowClient(uri)
    wanted = f"tag.`{semconv.DSPY_COMPILE_ID}` = '{run.compile_id}'"
    found = every_page(
        lambda token: client.search_traces(
            locations=[run.experiment], filter_string=wanted, max_results=200, page_token=token, include_spans=True
        )
    )
    assert sum(1 for trace in found if trace.data.spans) == run.trials * run.examples


def compare(uri: str, run: Recorded) -> None:
    """Compare two optimizations, and render text and page."""
    found = otel_dspy.compare(*run.runs, tracking_uri=uri)
    assert found.text
    assert found.html


def replay(uri: str, run: Recorded) -> None:
    """Read all calls of an optimization."""
    assert sum(recorded_calls(run.runs[0], uri).models.values()) == run.trials * run.examples


def rerun(uri: str, run: Recorded) -> None:
    """Run a trial again."""
    found = rerun_trial(run.runs[0], program(), _exact, _TRIAL, tracking_uri=uri)
    assert (found.answered, found.unknown) == (run.examples, 0)


def _exact(example: Any, prediction: Any, trace: object = None) -> bool:
    del trace
    return bool(example.label == prediction.label)


def own_time(run: Recorded) -> float:
    """Return the seconds that the program takes for the examples of a trial, with a model that answers at once."""
    of_dspy: Any = dspy
    began = time.perf_counter()
    with of_dspy.context(lm=model()):
        for number in range(run.examples):
            program()(text=str(number))
    return time.perf_counter() - began


def seconds(what: Callable[[str, Recorded], None], uri: str, run: Recorded) -> float:
    """Return the time that one call takes."""
    began = time.perf_counter()
    what(uri, run)
    return time.perf_counter() - began


def peak(what: Callable[[str, Recorded], None], uri: str, run: Recorded) -> int:
    """Return the peak of a forked process's resident memory above that at its start, in MB."""
    read, written = os.pipe()
    child = os.fork()
    if not child:
        before = int(resident() * 2**20)
        what(uri, run)
        status = Path("/proc/self/status").read_text()
        most = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
        os.write(written, str((most - before) // 1_000_000).encode())
        os._exit(0)
    os.close(written)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return int(text)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", type=Path, metavar="FOLDER", help="where the store is kept; defaults to nowhere")
    parser.add_argument("--keep", action="store_true", help="save the results")
    chosen = parser.parse_args()
    with nullcontext(chosen.store) if chosen.store else tempfile.TemporaryDirectory() as name:
        uri, found = store(Path(name), SIZES)
        # Imports and what MLflow does once in a process must not count as memory of the first.
        for what in (compare, rerun):
            what(uri, found[0])
        memory = {
            (run.trials, run.examples): [peak(what, uri, run) for what in (compare, rerun, replay)] for run in found
        }
        rows: list[Row] = []
        for run in found:
            times = [
                [seconds(what, uri, run) for what in (search_traces, compare, replay, rerun)] + [own_time(run)]
                for _ in range(chosen.rounds)
            ]
            theirs, compared, replayed, again, own = (statistics.median(column) for column in zip(*times, strict=True))
            kept = memory[run.trials, run.examples]
            rows.append(
                {
                    "trials": run.trials, "examples": run.examples,
                    "search_traces, s": round(theirs, 2), "compare, s": round(compared, 2),
                    "replay_lm, s": round(replayed, 2), "replay_lm / search_traces": round(replayed / theirs, 2),
                    "rerun --trial, s": round(again, 2), "of these the program, s": round(own, 2),
                    "compare, MB": kept[0], "rerun --trial, MB": kept[1], "replay_lm, MB": kept[2],
                }
            )  # fmt: skip
            print(table(rows), flush=True)
        if chosen.keep:
            save("compare", rows, {package: version(package) for package in ("mlflow", "dspy", "scipy", "jinja2")})


if __name__ == "__main__":
    main()
