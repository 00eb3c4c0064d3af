"""A program that knows nothing of telemetry and ends in the middle of an optimization, as its argument sets."""

import sys
import time

import dspy

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizers import Breaking, Rounds


def waiting(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> bool:
    """A metric that reports when the second trial begins, and then waits to be interrupted."""
    if example["question"] == "0+1":
        print("trial", flush=True)  # noqa: T201 - what the test reads
        if next(trials):
            for _ in range(600):
                time.sleep(0.1)  # In steps: Python handles a signal that comes right before a sleep only after it.
    return exact(example, prediction, trace)


trials = iter(range(2))
dspy.configure(lm=addition_lm())
optimizer = Breaking(RuntimeError("no luck today")) if sys.argv[1] == "crash" else Rounds(waiting)
optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(2))
