"""Worker of `benchmarks.latency`: evaluates a program in 16 threads under one recorder and prints its timings.

`python -m benchmarks.latency_worker RECORDER TRACKING_URI EXPERIMENT EXAMPLES`; the model is in this process and
answers after 50 ms.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import dspy
import mlflow

from benchmarks.mlflow_worker import record
from tests.support.addition_task import exact, examples, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.lm_server import Message

ANSWER: Final = 0.05
"""Seconds until the model answers."""
THREADS: Final = 16

_dspy: Any = dspy  # it annotates only part of what it offers
_mlflow: Any = mlflow


def main(recorder: str, tracking_uri: str, experiment: str, count: int) -> None:
    """Evaluate; print JSON: seconds of the evaluation, those until MLflow has everything, CPU seconds of both."""
    script = dspy_script({"answer": half_right})

    def answer(messages: Sequence[Message]) -> Any:
        time.sleep(ANSWER)
        return script(messages)

    _dspy.configure(lm=in_process_lm(answer))
    mlflow.set_tracking_uri(tracking_uri)
    _mlflow.set_experiment(experiment)
    flush = record(recorder)
    program = dspy.ChainOfThought("question -> answer")
    evaluate = dspy.Evaluate(devset=examples(count), metric=exact, num_threads=THREADS)
    began, used = time.perf_counter(), time.process_time()
    evaluate(program)
    worked = time.perf_counter()
    flush()
    times = {"work": worked - began, "storing": time.perf_counter() - worked, "cpu": time.process_time() - used}
    print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
