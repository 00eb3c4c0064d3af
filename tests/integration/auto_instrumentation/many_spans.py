"""A program that knows nothing of telemetry: an optimization with more spans than any queue holds."""

import sys

import dspy

from tests.support.optimizers import Rounds
from tests.support.sums import exact, examples, sums_lm

rounds, size = int(sys.argv[1]), int(sys.argv[2])
dspy.configure(lm=sums_lm())
Rounds(exact, rounds=rounds).compile(dspy.Predict("question -> answer"), trainset=examples(size))
