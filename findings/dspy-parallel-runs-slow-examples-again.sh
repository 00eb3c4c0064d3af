#!/usr/bin/env bash
# DSPy: dspy.Parallel runs a slow example again, and again, beside the run that goes on: each run calls the model.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: `timeout` (120 s by default) ends what takes longer, or nothing happens. A comment in the code says that an
#           example is submitted a second time at most once.
# Seen:     when at most `straggler_limit` (3) examples are left, one that has run for `timeout` is started once more in
#           another thread, and so is that run after another `timeout`. None is ended; the first result counts. An example
#           of 10 minutes is run five times at once. Evaluate, Module.batch and the optimizers do so too, after 120 s,
#           and Evaluate has no parameter for it: more calls, tokens and side effects than examples.
#
# Output seen:
#   results: [0, 1, 2]
#   runs of the examples: [1, 1, 3]
#   runs with timeout=0: [1, 1, 1]
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import threading

import dspy


class Program(dspy.Module):
    """The last example takes until it has been started three times, or for `seconds`."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.runs, self.third = seconds, [0, 0, 0], threading.Event()

    def forward(self, number):
        self.runs[number] += 1
        if self.runs[number] == 3:
            self.third.set()
        if number == 2:
            self.third.wait(self.seconds)
        return number


def run(program, timeout):
    parallel = dspy.Parallel(num_threads=8, timeout=timeout, disable_progress_bar=True)
    return parallel([(program, {"number": number}) for number in range(3)])


slow, other = Program(60), Program(5)
results = run(slow, 1)
print(f"results: {results}")
print(f"runs of the examples: {slow.runs}")
run(other, 0)
print(f"runs with timeout=0: {other.runs}")
assert results == [0, 1, 2] and slow.runs == [1, 1, 3] and other.runs == [1, 1, 1]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
