#!/usr/bin/env bash
# DSPy: BestOfN and Refine use up fail_count over their lifetime: after some failed attempts they do not retry any more.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: fail_count is the number of failed attempts that one call allows. The same question, asked later of the same
#           module, is treated as the first one was.
# Seen:     each failed attempt lowers the number that is stored on the module, and nothing raises it again. With N=3 the
#           first four questions whose first attempt fails are answered by the second attempt; from the fifth on, the first
#           failure is raised at once. In a service, and in Evaluate, that depends on what was asked before.
#
# Output seen:
#   BestOfN: attempts [2, 2, 2, 2, 1, 1, 1, 1], answered [True, True, True, True, False, False, False, False]
#   BestOfN, a new one: attempts 2, answered True
#   Refine: attempts [2, 2, 2, 2, 1, 1, 1, 1], answered [True, True, True, True, False, False, False, False]
#   Refine, a new one: attempts 2, answered True
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
import contextlib
import io

import dspy
from dspy.utils import DummyLM


class Answer(dspy.Module):
    """Fails at the first attempt at each question, as behind a rate limit."""

    attempts = {}

    def __init__(self):
        super().__init__()
        self.step = dspy.Predict("question -> answer")

    def forward(self, question):
        self.attempts[question] = self.attempts.get(question, 0) + 1
        if self.attempts[question] == 1:
            raise RuntimeError("too many requests")
        return self.step(question=question)


def ask(module, question):
    """How many attempts were made, and whether there is an answer."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(RuntimeError):
        return module(question=question).answer == "yes", Answer.attempts[question]
    return False, Answer.attempts[question]


dspy.configure(lm=DummyLM([{"answer": "yes"}] * 1000))
for kind in (dspy.BestOfN, dspy.Refine):

    def new(kind=kind):
        return kind(module=Answer(), N=3, reward_fn=lambda inputs, prediction: 1.0, threshold=1.0)

    module = new()
    answered, attempts = zip(*[ask(module, f"{kind.__name__}, question {number}") for number in range(8)])
    print(f"{kind.__name__}: attempts {list(attempts)}, answered {list(answered)}")
    fresh = ask(new(), f"{kind.__name__}, a new one")
    print(f"{kind.__name__}, a new one: attempts {fresh[1]}, answered {fresh[0]}")
    assert attempts == (2, 2, 2, 2, 1, 1, 1, 1) and answered == (True,) * 4 + (False,) * 4 and fresh == (True, 2)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
