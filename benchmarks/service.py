"""Benchmark: resident memory of a service that calls its program a million times, with and without instrumentation.

`python -m benchmarks.service`. Every call is another text, every tenth one fails, fifty in a row are a conversation;
spans go to a `BatchSpanProcessor`, metrics to a periodic reader, and both on to an exporter that does nothing. The
language model answers within the process, without cache and history.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from benchmarks.environments import ROOT
from benchmarks.memory import POINTS
from benchmarks.processes import resident
from benchmarks.results import pinned, save, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.lm_server import Message

_PACKAGES: Final = ("dspy", "opentelemetry-sdk")
_CONVERSATION: Final = 50
_FAILURE: Final = 10


def _answer(messages: Sequence[Message]) -> str:
    question = str(messages[-1]["content"])
    if f"{_FAILURE - 1}?" in question:
        raise ConnectionError("no line")
    return f"[[ ## reasoning ## ]]\nOf {len(question)} characters.\n\n[[ ## answer ## ]]\n4\n\n[[ ## completed ## ]]"


def serve(calls: int, seconds: float, *, instrumented: bool) -> dict[str, Any]:
    """Call the program so often, for so many seconds at most; give memory in MiB by calls."""
    import dspy

    from benchmarks.overhead_worker import providers
    from otel_dspy import DSPyInstrumentor, conversation
    from tests.support.in_process_lm import in_process_lm

    if instrumented:
        tracer_provider, meter_provider = providers()
        DSPyInstrumentor().instrument(
            tracer_provider=tracer_provider, meter_provider=meter_provider, capture_content=True
        )
    lm: Any = in_process_lm(_answer)
    settings: Any = dspy
    settings.configure(lm=lm, disable_history=True, track_usage=False)
    program = dspy.ChainOfThought("question -> answer")
    memory: list[tuple[int, float]] = []
    began = time.monotonic()
    for call in range(1, calls + 1):
        with contextlib.suppress(Exception), conversation(f"conversation {call // _CONVERSATION}"):
            program(question=f"What is {call}?")
        if call % max(1, calls // POINTS) == 0:
            memory.append((call, resident()))
            if time.monotonic() - began > seconds:
                break
    return {"memory": memory}


def _row(name: str, calls: int, seconds: float) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.service", "--worker", name, str(calls), str(seconds)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
    )  # fmt: skip
    memory: list[tuple[int, float]] = json.loads(done.stdout.splitlines()[-1])["memory"]
    made = memory[-1][0]
    early = next(mib for calls_made, mib in memory if calls_made >= made / 10)
    return {
        "service": name,
        "calls": made,
        "MiB at a tenth": round(early),
        "MiB at the end": round(memory[-1][1]),
        "growth": round(memory[-1][1] / early, 2),
        "memory": memory,
    }


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=3600, help="stop a case after so long")
    parser.add_argument("--keep", action="store_true", help="write the figures to benchmarks/results/")
    options = parser.parse_args()
    rows = [_row(name, options.calls, options.seconds) for name in ("otel-dspy", "nothing")]
    print(table([{name: value for name, value in row.items() if name != "memory"} for row in rows]))
    if options.keep:
        save("service", rows, pinned(_PACKAGES, ROOT / "requirements" / "dev.txt"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _, _, _name, _calls, _seconds = sys.argv
        print(json.dumps(serve(int(_calls), float(_seconds), instrumented=_name == "otel-dspy")), flush=True)
    else:
        main()
