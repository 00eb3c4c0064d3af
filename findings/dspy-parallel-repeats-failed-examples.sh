#!/usr/bin/env bash
# DSPy: dspy.Parallel returns the failed examples of earlier calls again, though they have succeeded since.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: return_failed_examples returns what failed in this call: who calls it again with the failed ones is done
#           once there are none.
# Seen:     the lists of failed examples and of exceptions belong to the object and are never emptied. Both examples are
#           answered in the second call and still named as failed; who runs them until none is named pays without end.
#
# Output seen:
#   first call: 1 of 3 answered, failed: ['second', 'third'], 2 exceptions
#   the failed ones again: 2 of 2 answered, failed: ['second', 'third'], 2 exceptions
#   and those that failed there: 2 of 2 answered, failed: ['second', 'third'], 2 exceptions
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
import logging

import dspy

logging.disable(logging.ERROR)


class Program(dspy.Module):
    """Fails while the server is down."""

    down = True

    def forward(self, question):
        if self.down and question != "first":
            raise RuntimeError("the model is down")
        return dspy.Prediction(answer="yes")


def run(name, parallel, questions):
    pairs = [(program, dspy.Example(question=question).with_inputs("question")) for question in questions]
    results, failed, exceptions = parallel(pairs)
    answered = sum(result is not None for result in results)
    seen.append((answered, [example.question for example in failed], len(exceptions)))
    print(f"{name}: {answered} of {len(questions)} answered, failed: {seen[-1][1]}, {len(exceptions)} exceptions")
    return seen[-1][1]


program, seen = Program(), []
parallel = dspy.Parallel(num_threads=1, return_failed_examples=True, disable_progress_bar=True)
failed = run("first call", parallel, ["first", "second", "third"])
program.down = False
failed = run("the failed ones again", parallel, failed)
failed = run("and those that failed there", parallel, failed)
assert seen == [(1, ["second", "third"], 2), (2, ["second", "third"], 2), (2, ["second", "third"], 2)]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
