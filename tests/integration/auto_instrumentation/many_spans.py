"""A program that knows nothing of telemetry: an optimization with more spans than any queue holds."""

import sys

import dspy

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizers import Rounds

rounds, size = int(sys.argv[1]), int(sys.argv[2])
dspy.configure(lm=addition_lm())
Rounds(exact, rounds=rounds).compile(dspy.Predict("question -> answer"), trainset=examples(size))
