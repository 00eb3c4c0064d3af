"""Benchmark: overhead of instrumentations per program call, relative to an empty DSPy callback in the same run.

`python -m benchmarks.overhead` starts a process for each competitor, each in its own environment, and lets them take
turns round by round in random order, so that whatever else the machine does hits all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from benchmarks.environments import REQUIREMENTS, ROOT, environment
from benchmarks.results import pinned, save, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from benchmarks.results import Row

Round = dict[str, dict[str, float]]

_ENVIRONMENTS: Final = {
    "nothing": "bare",
    "callback": "bare",
    "sdk spans": "otel-dspy",
    "sdk spans, metrics": "otel-dspy",
    "otel-dspy": "otel-dspy",
    "otel-dspy content": "otel-dspy",
    "otel-dspy suppressed": "otel-dspy",
    "otel-dspy unsampled": "otel-dspy",
    "otel-dspy uninstrumented": "otel-dspy",
    "genai-dspy": "genai-dspy",
    "genai-dspy content": "genai-dspy",
    "openinference": "openinference",
    "openinference hidden": "openinference",
}
"""Variant -> environment."""
_PACKAGES: Final = (
    "dspy", "opentelemetry-sdk", "opentelemetry-util-genai", "opentelemetry-instrumentation-genai-dspy",
    "openinference-instrumentation-dspy",
)  # fmt: skip


class _Worker:
    """A process that makes calls under one variant on request."""

    def __init__(self, variant: str, source: Path, options: Sequence[str]) -> None:
        content = "SPAN_ONLY" if variant == "genai-dspy content" else "NO_CONTENT"
        self._process = subprocess.Popen(
            [environment(_ENVIRONMENTS[variant]), "-m", "benchmarks.overhead_worker", variant, *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ
            | {
                "PYTHONPATH": f"{ROOT}:{source}",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": content,
            },
        )

    def measure(self, calls: int) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


_BEFORE: Final = " before"
"""Ending of a variant that is measured with the source of another commit."""


def run(  # noqa: PLR0913 - what is measured
    variants: list[str],
    rounds: int,
    calls: int,
    source: Path,
    before: Path | None = None,
    *,
    collect: bool = True,
) -> list[Round]:
    """Let every variant make `calls` calls a round; give what they took, round by round.

    Args:
        variants: their names; with `_BEFORE` at the end those of `before`.
        rounds: number of rounds.
        calls: program calls per round and variant.
        source: source folder of the otel_dspy to measure.
        before: source folder of another commit.
        collect: whether Python's garbage collector is on.
    """
    options = () if collect else ("no-gc",)
    with ExitStack() as stack:
        workers = {
            variant: stack.enter_context(
                _Worker(
                    variant.removesuffix(_BEFORE), before if before and variant.endswith(_BEFORE) else source, options
                )
            )
            for variant in variants
        }
        for worker in workers.values():
            worker.measure(calls)
        measured: list[Round] = []
        for _ in range(rounds):
            order = random.sample(variants, len(variants))
            measured.append({variant: workers[variant].measure(calls) for variant in order})
    return measured


def added(rounds: list[Round], variant: str, clock: str) -> list[float]:
    """What the variant adds to a call, over what the empty callback adds in the same round.

    Args:
        rounds: what `run` gave.
        variant: its name.
        clock: `median_us` (wall time, as the caller feels it) or `cpu_us` (the whole process, exporters too).
    """
    callback = statistics.median(one["callback"][clock] - one["nothing"][clock] for one in rounds)
    return [(one[variant][clock] - one["nothing"][clock]) / callback for one in rounds]


def least(rounds: list[Round], variant: str) -> float:
    """The least CPU time that the variant adds to a call on the calling thread, over the least of the empty callback.

    Other work on the machine can only add to the least of all calls' times: for a busy machine.

    Args:
        rounds: what `run` gave.
        variant: its name.
    """
    nothing, callback, own = (
        min(one[name]["thread_us"] for one in rounds) for name in ("nothing", "callback", variant)
    )
    return (own - nothing) / (callback - nothing)


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=200, help="program calls per round and variant")
    parser.add_argument(
        "--only", nargs="*", default=[], help="variants to measure in addition to `nothing` and `callback`"
    )
    parser.add_argument("--source", type=Path, default=ROOT / "src", help="source folder of the otel_dspy to measure")
    parser.add_argument("--before", type=Path, help="source folder of another commit, measured in the same rounds")
    parser.add_argument("--no-gc", action="store_true", help="turn Python's garbage collector off")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    chosen = ["nothing", "callback", *options.only] if options.only else list(_ENVIRONMENTS)
    if options.before:
        chosen += [f"{variant}{_BEFORE}" for variant in chosen if _ENVIRONMENTS[variant] == "otel-dspy"]
    rounds = run(chosen, options.rounds, options.calls, options.source, options.before, collect=not options.no_gc)
    rows: list[Row] = []
    for variant in chosen[1:]:
        felt, cpu = added(rounds, variant, "median_us"), added(rounds, variant, "cpu_us")
        low, middle, high = statistics.quantiles(felt, n=4)
        rows.append(
            {
                "variant": variant,
                "spans": rounds[-1][variant]["spans"],
                "added": round(middle, 3),
                "quartiles": [round(low, 3), round(high, 3)],
                "cpu": round(statistics.median(cpu), 3),
                "least": round(least(rounds, variant), 3),
            }
        )
    base = statistics.median(one["nothing"]["median_us"] for one in rounds)
    callback = statistics.median(one["callback"]["median_us"] - one["nothing"]["median_us"] for one in rounds)
    print(table(rows))
    print(f"a call without instrumentation: {base:.0f} us; the empty callback adds {callback / base:.2f} of it")
    if options.keep:
        versions = pinned(_PACKAGES, *sorted(REQUIREMENTS.glob("*.txt")))
        facts = {"rounds": options.rounds, "calls": options.calls, "callback_share": round(callback / base, 3)}
        save("overhead", rows, versions, **facts)


if __name__ == "__main__":
    main()
