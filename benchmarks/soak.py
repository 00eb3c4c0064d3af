"""Soak test: an hour of optimizations, services, outages and restarts with flat memory, threads and descriptors.

`python -m benchmarks.soak --minutes 60`. A worker (`benchmarks.soak_worker`) serves requests in two threads and runs
all optimizers in a third. It records in one MLflow in process, and sends the same spans by OTLP to two bridges, which
write to another MLflow; one of them is killed again and again. Meanwhile both MLflows are killed, restarted and
suspended, and short jobs start, end and are killed. A second worker, without telemetry, does the same work: what grows
there is not otel-dspy's.

At the end both MLflows must hold the same: every trace and every run once, none of them open. The exit status is 1 if
they do not, if anything is left in the spool, or if a series is not flat.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.environments import ROOT
from benchmarks.memory import POINTS
from benchmarks.processes import resident
from benchmarks.results import pinned, save, table
from tests.support.bridge_process import bridge_process
from tests.support.mlflow_server import free_port, mlflow_server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.results import Row
    from tests.support.bridge_process import BridgeProcess
    from tests.support.programs import Running

SAMPLE: Final = 5.0
"""Seconds between two samples."""
QUIET: Final = (30.0, 90.0)
"""Seconds from one fault to the next."""
IN_PROCESS: Final = "in process"
BY_BRIDGES: Final = "by bridges"
"""The two MLflows, by how spans come there."""
STOP: Final = 600
"""Seconds that a process may take to end on a machine that has other work."""
BRIDGE_END: Final = 20.0
"""Seconds after SIGTERM within which a bridge has ended, by its documentation: the drain timeout and 10."""
BUSY: Final = 6
"""Factor on `BRIDGE_END`. The bound is mostly waiting; what the processor is needed for takes longer beside other work,
by the number of runnable processes for each core: six is a load of 12 on two cores, half a minute for 5 s of work.
"""
STARTS: Final = 3
"""How often the start of a server is attempted: a busy machine may take longer than its readiness timeout."""
MARK: Final = 600.0
"""Seconds between two columns of the table of marks."""
EXPERIMENT: Final = "soak"
JOBS: Final = "soak-jobs"
STEADY: Final = "bridge"
KILLED: Final = "bridge that is killed"
GROWTH: Final = 1.10
"""Resident memory at the end, as a share of that after the warm-up."""
MORE_THREADS: Final = 2
MORE_FILES: Final = 6
"""Threads and file descriptors that the end may have more than the time after the warm-up: connections come and go."""
_PACKAGES: Final = ("dspy", "gepa", "mlflow", "opentelemetry-sdk", "grpcio")

Sample = tuple[float, float, int, int]
"""Seconds since the start, MiB of resident memory, threads, file descriptors."""


class Soak:
    """All processes of a soak, and what goes wrong around them."""

    def __init__(self, folder: Path, stack: ExitStack, seed: int) -> None:
        """Start two MLflows, two bridges and two workers.

        Args:
            folder: for everything that is written.
            stack: ends what is left at the end.
            seed: of the faults and of the workers.
        """
        self.folder = folder
        self._stack = stack
        self._chance = random.Random(seed)  # noqa: S311 - chance, no secret
        self._ports = {name: free_port() for name in (IN_PROCESS, BY_BRIDGES, STEADY, KILLED)}
        self._running = {name: stack.enter_context(ExitStack()) for name in self._ports}
        self._groups = {name: self._start_mlflow(name) for name in (IN_PROCESS, BY_BRIDGES)}
        self.bridges = {name: self._start_bridge(name) for name in (STEADY, KILLED)}
        addresses = [f"127.0.0.1:{self._ports[name]}" for name in self.bridges]
        self.uri = self._uri(IN_PROCESS)
        self.workers = {
            "worker": self._start("work", self.uri, str(seed), *addresses),
            "worker without otel-dspy": self._start("work", "", str(seed)),
        }
        self.jobs: list[subprocess.Popen[str]] = []
        self.faults: Counter[str] = Counter()
        self.broken: list[str] = []
        """What did not start or end as it should, a line each. The soak goes on."""
        self.longest_end = 0.0
        """Seconds from SIGTERM to the end of a bridge, the most of all."""

    def _uri(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def _start_bridge(self, name: str) -> BridgeProcess:
        with (self.folder / "bridges.log").open("a") as log:
            started = bridge_process(
                self._uri(BY_BRIDGES), EXPERIMENT, self._ports[name], patience=60, errors=log, forked=False
            )
            return self._running[name].enter_context(started)

    def _start_mlflow(self, name: str) -> int:
        for attempt in range(STARTS):
            started = mlflow_server(self.folder / name, port=self._ports[name], forked=False)
            try:
                return self._running[name].enter_context(started).group
            except RuntimeError as error:
                self.broken.append(f"MLflow {name!r} did not start (attempt {attempt + 1}): {str(error)[:200]}")
        raise RuntimeError(f"MLflow {name!r} does not start")

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        log = (self.folder / "programs.log").open("a")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.soak_worker", *arguments],
                cwd=ROOT, stdout=subprocess.PIPE if arguments[0] == "work" else log, stderr=log, text=True,
                env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
            )  # fmt: skip
        self._stack.callback(process.kill)
        return process

    def fault(self) -> None:
        """Do one thing of those that go wrong, and mend it."""
        kinds: dict[str, Callable[[], None]] = {
            "MLflow killed, started again 5 to 20 s later": self._kill_mlflow,
            "MLflow suspended for 10 to 40 s": self._suspend_mlflow,
            "bridge killed, started again 3 s later": lambda: self._restart_bridge(signal.SIGKILL),
            "bridge ended by SIGTERM, started again 3 s later": lambda: self._restart_bridge(signal.SIGTERM),
            "job that ends by itself": lambda: self.jobs.append(self._start("job", self.uri, "whole")),
            "job killed in the middle": lambda: self.jobs.append(self._start("job", self.uri, "killed")),
        }
        name = self._chance.choice(sorted(kinds))
        self.faults[name] += 1
        try:
            kinds[name]()
        except (RuntimeError, AssertionError, OSError) as error:
            self.broken.append(f"{name}: {error}")

    def _kill_mlflow(self) -> None:
        name = self._chance.choice((IN_PROCESS, BY_BRIDGES))
        os.killpg(self._groups[name], signal.SIGKILL)
        self._running[name].close()
        time.sleep(self._chance.uniform(5, 20))
        self._groups[name] = self._start_mlflow(name)

    def _suspend_mlflow(self) -> None:
        group = self._groups[self._chance.choice((IN_PROCESS, BY_BRIDGES))]
        os.killpg(group, signal.SIGSTOP)
        time.sleep(self._chance.uniform(10, 40))
        os.killpg(group, signal.SIGCONT)

    def _restart_bridge(self, sign: signal.Signals) -> None:
        process = self.bridges[KILLED].process
        began = time.monotonic()
        process.send_signal(sign)
        try:
            status = process.wait(BRIDGE_END * BUSY)
        except subprocess.TimeoutExpired:
            self.broken.append(f"a bridge had not ended {BRIDGE_END * BUSY:g} s after {sign.name}: see bridges.log")
            dump_stacks(process)
        else:
            if sign is signal.SIGTERM:
                self.longest_end = max(self.longest_end, time.monotonic() - began)
                if status:
                    self.broken.append(f"a bridge ended with status {status} after SIGTERM: see bridges.log")
        self._running[KILLED].close()
        time.sleep(3)
        self.bridges[KILLED] = self._start_bridge(KILLED)

    def watched(self) -> dict[str, int]:
        """Name -> process id of what lives as long as the soak."""
        found = {name: worker.pid for name, worker in self.workers.items()}
        return found | {STEADY: self.bridges[STEADY].process.pid}

    def wait(self, seconds: float) -> None:
        """Let it run, with faults from time to time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, self._chance.uniform(*QUIET)))
            if end - time.monotonic() > QUIET[1]:
                self.fault()

    def finish(self) -> dict[str, dict[str, Any]]:
        """End the workers and jobs, replay what killed ones have left; what each worker did."""
        for worker in self.workers.values():
            worker.send_signal(signal.SIGTERM)
        done: dict[str, dict[str, Any]] = {}
        for name, worker in self.workers.items():
            try:
                done[name] = json.loads(worker.communicate(timeout=3 * STOP)[0])
            except (subprocess.TimeoutExpired, ValueError) as error:
                self.broken.append(f"{name} did not end as it should: {error}")
                dump_stacks(worker)
                done[name] = {"traces": None, "lost": None}
        for process in self.jobs:
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                self.broken.append("a job did not end")
                dump_stacks(process)
        subprocess.run([sys.executable, "-m", "otel_dspy", "replay"], cwd=ROOT, check=False, timeout=STOP)
        return done


def dump_stacks(process: Running) -> None:
    """End a process that does not end; the stacks of its threads go to its standard error (PYTHONFAULTHANDLER)."""
    process.send_signal(signal.SIGABRT)
    try:
        process.wait(BRIDGE_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(BRIDGE_END)


class Sampler:
    """Samples processes on a thread of its own."""

    def __init__(self, processes: Mapping[str, int], log: Path) -> None:
        """Start it.

        Args:
            processes: name -> id.
            log: gets each sample as a line of JSON at once, so that a soak that is cut off has not been for nothing.
        """
        self._processes = processes
        self._log = log
        self._samples: dict[str, list[Sample]] = {name: [] for name in processes}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(SAMPLE):
            for name, process in self._processes.items():
                if (found := sampled(process, began)) is not None:
                    self._samples[name].append(found)
                    with self._log.open("a") as log:
                        log.write(json.dumps([name, *found]) + "\n")

    def stop(self) -> dict[str, list[Sample]]:
        """End it; the samples of each process."""
        self._ended.set()
        self._thread.join()
        return self._samples


def sampled(process: int, began: float) -> Sample | None:
    """A process as it is; None if it has gone."""
    folder = Path(f"/proc/{process}")
    try:
        memory = resident(process)
        threads, files = len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir()))
    except OSError:
        return None
    return time.monotonic() - began, memory, threads, files


def stored(database: Path) -> dict[str, dict[str, int]]:
    """Experiment -> traces, runs, and those of them that are open."""
    with closing(sqlite3.connect(database)) as connection:
        # Two bridges that create the same run at once delete one of the two again.
        runs = "SELECT count(*) FROM runs WHERE experiment_id = :id AND lifecycle_stage = 'active'"
        counted = {
            "traces": "SELECT count(*) FROM trace_info WHERE experiment_id = :id",
            "open traces": "SELECT count(*) FROM trace_info WHERE experiment_id = :id AND status = 'IN_PROGRESS'",
            "runs": runs,
            "open runs": f"{runs} AND status = 'RUNNING'",
        }
        found: dict[str, dict[str, int]] = {}
        for key, name in connection.execute("SELECT experiment_id, name FROM experiments ORDER BY name").fetchall():
            found[name] = {
                title: int(connection.execute(query, {"id": key}).fetchone()[0]) for title, query in counted.items()
            }
        return found


def row(name: str, samples: list[Sample]) -> Row:
    """A line of the table: after the warm-up (the second fifth of the time) and at the end (the last fifth)."""
    fifth = samples[-1][0] / 5
    early = [sample for sample in samples if fifth <= sample[0] < 2 * fifth]
    late = [sample for sample in samples if sample[0] >= 4 * fifth]
    return {
        "process": name,
        "MiB after the warm-up": round(statistics.median(sample[1] for sample in early)),
        "MiB at the end": round(statistics.median(sample[1] for sample in late)),
        "threads": [max(sample[2] for sample in part) for part in (early, late)],
        "file descriptors": [max(sample[3] for sample in part) for part in (early, late)],
        "samples": [
            tuple(round(value, 1) for value in sample) for sample in samples[:: max(1, len(samples) // POINTS)]
        ],
    }


def marks(name: str, samples: list[Sample]) -> Row:
    """A line of the table of marks: MiB, threads and file descriptors, medians of the minute before each mark."""
    line: Row = {"process": name}
    for number in range(1, int((samples[-1][0] + SAMPLE) / MARK) + 1):
        end = number * MARK
        minute = [sample for sample in samples if end - 60 <= sample[0] < end]
        if minute:
            values = [statistics.median(sample[column] for sample in minute) for column in (1, 2, 3)]
            line[f"{end / 60:g} min"] = " / ".join(f"{value:.0f}" for value in values)
    return line


def troubles(
    rows: list[Row], held: dict[str, dict[str, dict[str, int]]], done: dict[str, dict[str, Any]], left: int
) -> list[str]:
    """What is not as it should be, a line each."""
    found = [f"{left} files are left in the spool"] if left else []
    if done["worker"]["lost"]:
        found.append(f"the worker has lost {done['worker']['lost']} spans")
    runs = held[IN_PROCESS][EXPERIMENT]["runs"]
    expected = {"traces": done["worker"]["traces"], "open traces": 0, "runs": runs, "open runs": 0}
    for name, experiments in held.items():
        if experiments[EXPERIMENT] != expected:
            found.append(f"{name}: {experiments[EXPERIMENT]} is not {expected}")
    if (jobs := held[IN_PROCESS].get(JOBS)) is not None and (jobs["open runs"] or jobs["open traces"]):
        found.append(f"jobs have left open what they began: {jobs}")
    for line in rows:
        early, late = line["MiB after the warm-up"], line["MiB at the end"]
        if late > early * GROWTH:
            found.append(f"{line['process']}: memory grows from {early} to {late} MiB")
        for what, more in (("threads", MORE_THREADS), ("file descriptors", MORE_FILES)):
            before, after = line[what]
            if after > before + more:
                found.append(f"{line['process']}: {what} grow from {before} to {after}")
    return found


def main() -> None:
    """Run it, print the tables and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1, help="random seed of the faults and of the work")
    parser.add_argument(
        "--samples", type=Path, default=Path(os.devnull), help="file to write every sample to immediately"
    )
    parser.add_argument("--folder", type=Path, help="folder that keeps logs and databases; else they are removed")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = (
            options.folder.resolve() if options.folder else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        )
        folder.mkdir(parents=True, exist_ok=True)
        os.environ |= {
            "OTEL_DSPY_SPOOL_DIR": str(folder / "spool"),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "PYTHONFAULTHANDLER": "1",
        }
        soak = Soak(folder, stack, options.seed)
        sampler = Sampler(soak.watched(), options.samples)
        soak.wait(options.minutes * 60)
        samples = sampler.stop()
        # At once, lest an end that goes wrong costs the hour's result.
        print(table([marks(name, found) for name, found in samples.items()]), flush=True)
        done = soak.finish()
        held = {name: stored(folder / name / "mlflow.db") for name in (IN_PROCESS, BY_BRIDGES)}
        left = len(list((folder / "spool").glob("*.jsonl")))
    rows = [row(name, found) for name, found in samples.items()]
    wrong = soak.broken + troubles(rows, held, done, left)
    print(table([{name: value for name, value in line.items() if name != "samples"} for line in rows]))
    longest = round(soak.longest_end, 1)
    figures = {"done": done, "faults": soak.faults, "held": held, "longest end of a bridge, s": longest, "wrong": wrong}
    print(json.dumps(figures, indent=1))
    if options.keep:
        versions = pinned(_PACKAGES, ROOT / "requirements" / "dev.txt")
        save("soak", rows, versions, marks=[marks(name, found) for name, found in samples.items()], **figures)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
