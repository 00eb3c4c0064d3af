"""A program that knows nothing of telemetry: it optimizes, evaluates and answers."""

from typing import Any

import dspy

from tests.support.addition_task import addition_lm, exact, examples

dspy.configure(lm=addition_lm())
optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=1, num_threads=2)
best: Any = optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(4))
print("answer:", best(question="3+3").answer)  # noqa: T201 - what the test reads
